// Sends bursts of bytes to the link, and after each of them asks for what the link must still be able to do.
//
// Standard input: numbers of 32 bits, little-endian, and bytes. First the load request and its reply, the status request
// and its reply, then the number of images with the request and the reply of each, then bursts until the end, each with
// its index. A block of bytes has its length before it. Standard output: a line for every burst, "index verdict", see
// judge().

#include "Vlinked_engine.h"
#include "verilated.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using Bytes = std::vector<uint8_t>;

static const int kPace = 60;         // Clocks from a byte to the next; a UART takes 130 and more.
static const int kQuiet = 20000;    // Clocks without a byte after which nothing comes any more: longer than any timeout.
static const int kPatience = 20000; // Clocks within which an answer begins and ends.

static bool number(uint32_t& value) {
    uint8_t raw[4];
    if (fread(raw, 1, 4, stdin) != 4) return false;
    value = raw[0] | raw[1] << 8 | raw[2] << 16 | (uint32_t)raw[3] << 24;
    return true;
}

static Bytes block() {
    uint32_t size = 0;
    if (!number(size)) exit(2);
    Bytes bytes(size);
    if (size && fread(bytes.data(), 1, size, stdin) != size) exit(2);
    return bytes;
}

// Verilator writes the second of two underscores as 05F.
struct Line {
    Vlinked_engine top;
    bool pending = false;
    uint8_t next = 0;
    uint64_t clocks = 0;
    Bytes received;

    // One clock. The transmitter is ready every sixteenth clock.
    void tick() {
        top.i___05Fvalid = pending;
        top.i___05Fpayload = next;
        top.o___05Fready = clocks % 16 == 0;
        top.clk = 0;
        top.eval();
        if (pending && top.i___05Fready) pending = false;
        if (top.o___05Fvalid && top.o___05Fready) received.push_back(top.o___05Fpayload);
        top.clk = 1;
        top.eval();
        clocks++;
    }

    void wait(int count) {
        for (int i = 0; i < count; i++) tick();
    }

    // A byte that the queue has no room for is lost.
    void send(const Bytes& bytes) {
        for (uint8_t byte : bytes) {
            pending = true;
            next = byte;
            tick();
            pending = false;
            wait(kPace - 1);
        }
    }

    // Until nothing was received for a while; false if it never ends.
    bool settle() {
        size_t before = received.size();
        int idle = 0;
        for (int i = 0; i < 400 * kQuiet; i++) {
            tick();
            idle = received.size() == before ? idle + 1 : 0;
            before = received.size();
            if (idle > kQuiet) return true;
        }
        return false;
    }

    // The reply to a request, `size` bytes or what came of them.
    Bytes ask(const Bytes& request, size_t size) {
        received.clear();
        send(request);
        for (int i = 0; i < kPatience && received.size() < size; i++) tick();
        wait(8);
        return received;
    }

    void reset() {
        top.rst = 1;
        pending = false;
        wait(4);
        top.rst = 0;
        wait(4);
    }
};

static Bytes program, loaded, status, running;

struct Image {
    Bytes request, reply;
};

static bool load(Line& line) { return line.ask(program, loaded.size()) == loaded; }

// alive: status and inference were right at once; reloaded: the status said that a burst had stopped the engine or taken
// its network, and after a load they were right; anything else is a failure.
static std::string judge(Line& line, const Bytes& burst, const Image& image) {
    line.received.clear();
    line.send(burst);
    if (!line.settle()) return "endless replies";
    Bytes state = line.ask(status, running.size());
    if (state.size() != running.size()) return "no status";
    if (state == running) {
        if (line.ask(image.request, image.reply.size()) == image.reply) return "alive";
        return "wrong answer at once";
    }
    if (!load(line)) return "no load";
    if (line.ask(image.request, image.reply.size()) != image.reply) return "wrong answer";
    return "reloaded";
}

int main(int argc, char** argv) {
    Verilated::commandArgs(argc, argv);
    program = block();
    loaded = block();
    status = block();
    running = block();
    uint32_t count = 0, index = 0;
    if (!number(count)) return 2;
    std::vector<Image> images(count);
    for (auto& image : images) {
        image.request = block();
        image.reply = block();
    }
    Line line;
    line.reset();
    if (!load(line)) {
        fprintf(stderr, "the undisturbed link does not load\n");
        return 3;
    }
    while (number(index)) {
        const std::string verdict = judge(line, block(), images[index % count]);
        printf("%u %s\n", index, verdict.c_str());
        fflush(stdout);
        if (verdict != "alive" && verdict != "reloaded") {
            line.reset();
            load(line);
        }
    }
    fprintf(stderr, "%llu clocks\n", (unsigned long long)line.clocks);
    return 0;
}
