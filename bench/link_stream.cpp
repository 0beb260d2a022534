// Streams images to the link as a host with credit does, with an engine that takes, computes and answers, clock by clock.
//
// Arguments: bytes of an image, images, clocks of an inference, classes, clocks of a byte on the line (tenths), credit,
// clocks until the host has seen a reply. Standard input: load request, then the requests of all images; each with its
// length before it, 32 bits. Standard output: one line of JSON.

#include "Vlink.h"
#include "verilated.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <vector>

using Bytes = std::vector<uint8_t>;

static Bytes block() {
    uint8_t raw[4];
    if (fread(raw, 1, 4, stdin) != 4) exit(2);
    Bytes bytes(raw[0] | raw[1] << 8 | raw[2] << 16 | (uint32_t)raw[3] << 24);
    if (!bytes.empty() && fread(bytes.data(), 1, bytes.size(), stdin) != bytes.size()) exit(2);
    return bytes;
}

int main(int argc, char** argv) {
    if (argc != 8) return 2;
    const int image_bytes = atoi(argv[1]), images = atoi(argv[2]), compute = atoi(argv[3]), classes = atoi(argv[4]);
    const int byte_tenths = atoi(argv[5]), credit = atoi(argv[6]), latency = atoi(argv[7]);
    Bytes line = block();
    std::deque<size_t> ends;  // Of the frames that are not answered.
    const size_t load_end = line.size();
    for (int i = 0; i < images; i++) {
        Bytes request = block();
        line.insert(line.end(), request.begin(), request.end());
        ends.push_back(line.size());
    }
    Vlink top;
    uint64_t clock = 0, begin = 0, next_tenths = 0, busy_bytes = 0, refused = 0;
    size_t sent = 0, bound = load_end, waiting_end = 0;
    int taken = 0, left = 0, logit = 0, answered = 0;
    bool klass = false, run_before = false, images_begin = false;
    uint32_t sum = 0, answer = 0;
    uint64_t line_free = 0;
    Bytes reply;
    std::deque<std::pair<uint64_t, Bytes>> seen;
    Bytes current;
    std::vector<std::pair<uint64_t, int>> events;  // When the host has seen a reply: 1 is an image's, 0 the load's.
    top.rst = 1;
    auto tick = [&] {
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
        clock++;
    };
    for (int i = 0; i < 4; i++) tick();
    top.rst = 0;
    size_t replies = 0;
    while (answered < images) {
        if (clock > 4000000000ull) return 3;
        // The line to the board.
        top.i___05Fvalid = 0;
        if (clock * 10 >= next_tenths && sent < line.size() && sent < bound) {
            top.i___05Fvalid = 1;
            top.i___05Fpayload = line[sent];
            if (sent == load_end) begin = clock;
            next_tenths = (next_tenths + byte_tenths > clock * 10 ? next_tenths : clock * 10) + byte_tenths;
        }
        // The engine: a program while it is stopped; images, an inference, logits, a class.
        const bool computes = left > 0, answers = logit > 0 || klass;
        top.image___05Fready = !top.run || (!computes && !answers);
        top.busy = computes;
        top.error = 0;
        top.cycles = compute;
        top.logits___05Fvalid = logit > 0 && !computes;
        top.logits___05Fpayload = (uint64_t)answer | (uint64_t)(logit == 1) << 32;
        top.klass___05Fvalid = klass && logit == 0 && !computes;
        top.klass___05Fpayload = 0xFFFF;
        // The line to the host.
        top.o___05Fready = clock >= line_free;
        top.clk = 0;
        top.eval();
        if (top.i___05Fvalid) {
            if (!top.i___05Fready) refused++;
            sent++;
        }
        if (computes) left--;
        if (top.image___05Fvalid && top.image___05Fready && top.run) {
            sum = sum * 31 + top.image___05Fpayload;
            if (++taken == image_bytes) {
                taken = 0;
                left = compute;
                logit = classes;
                klass = true;
                answer = sum;
                sum = 0;
            }
        }
        if (top.logits___05Fvalid && top.logits___05Fready) logit--;
        if (top.klass___05Fvalid && top.klass___05Fready) klass = false;
        if (top.o___05Fvalid && top.o___05Fready) {
            current.push_back(top.o___05Fpayload);
            line_free = clock + byte_tenths / 10;
            // Replies are as long as they say.
            if (current.size() >= 9) {
                const size_t size = 9 + (current[4] | current[5] << 8) + 2;
                if (current.size() == size) {
                    seen.emplace_back(clock + latency, current);
                    current.clear();
                }
            }
        }
        top.clk = 1;
        top.eval();
        clock++;
        while (!seen.empty() && seen.front().first <= clock) {
            if (replies++ == 0) {
                bound = ends.front() + credit;
            } else {
                if (seen.front().second[2] != 2) return 4;
                for (uint8_t byte : seen.front().second) printf("%02x", byte);
                printf("\n");
                ends.pop_front();
                answered++;
                bound = ends.empty() ? line.size() : ends.front() + credit;
            }
            seen.pop_front();
        }
    }
    printf("{\"clocks\": %llu, \"bytes\": %zu, \"lost\": %llu}\n", (unsigned long long)(clock - begin),
           line.size() - load_end, (unsigned long long)refused);
    return 0;
}
