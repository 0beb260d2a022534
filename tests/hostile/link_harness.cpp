// Sends bursts of bytes to the link, and after each of them asks for what the link must still be able to do.
//
// Standard input: numbers of 32 bits, little-endian, and bytes. First the load request, then the number of images with
// the request and the reply of each, then bursts until the end, each with its index. A block of bytes has its length
// before it. Standard output: a line for every burst, "index verdict", see judge().

#include "Vlinked_engine.h"
#include "verilated.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using Bytes = std::vector<uint8_t>;

static const int kPace = 6;         // Clocks from a byte to the next; a UART takes 40 and more.
static const int kQuiet = 1600;     // Clocks without a byte after which nothing comes any more: three timeouts.
static const int kPatience = 6000;  // Clocks within which an answer begins and ends.
static const int kSettle = 700;     // Clocks in which the engine reads the head of its program.

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

    // One clock. The receiver holds a byte until it is taken, the transmitter is ready every fourth clock.
    void tick() {
        top.i___05Fvalid = pending;
        top.i___05Fpayload = next;
        top.o___05Fready = clocks % 4 == 0;
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

    // A byte that comes before the one before it was taken takes its place, as in the UART.
    void send(const Bytes& bytes) {
        for (uint8_t byte : bytes) {
            pending = true;
            next = byte;
            wait(kPace);
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

static const Bytes kStatus = {0xA5, 'S', 0, 0, 0};
static const Bytes kRunning = {0x5A, 'S', 0, 1};
static const Bytes kLoaded = {0x5A, 'L'};

struct Image {
    Bytes request, reply;
};

static bool load(Line& line, const Bytes& program) {
    if (line.ask(program, kLoaded.size()) != kLoaded) return false;
    line.wait(kSettle);
    return line.ask(kStatus, kRunning.size()) == kRunning;
}

// alive: status and inference were right at once; reloaded: the engine said what was wrong, and after a load they were;
// silent: the answer was wrong although the status was good, and right after a load; anything else is a failure.
static std::string judge(Line& line, const Bytes& program, const Bytes& burst, const Image& image) {
    line.received.clear();
    line.send(burst);
    if (!line.settle()) return "endless replies";
    if (line.pending) return "a byte is not taken";
    Bytes status = line.ask(kStatus, 4);
    if (status.size() != 4 || status[0] != 0x5A || status[1] != 'S' || status[2] > 5 || status[3] > 1) return "no status";
    if (status == kRunning) {
        if (line.ask(image.request, image.reply.size()) == image.reply) return "alive";
        if (!line.settle()) return "endless replies after an image";
    }
    if (!load(line, program)) return "no load";
    if (line.ask(image.request, image.reply.size()) != image.reply) return "wrong answer";
    return status == kRunning ? "silent" : "reloaded";
}

int main(int argc, char** argv) {
    Verilated::commandArgs(argc, argv);
    const Bytes program = block();
    uint32_t count = 0, index = 0;
    if (!number(count)) return 2;
    std::vector<Image> images(count);
    for (auto& image : images) {
        image.request = block();
        image.reply = block();
    }
    Line line;
    line.reset();
    if (!load(line, program)) {
        fprintf(stderr, "the undisturbed link does not load\n");
        return 3;
    }
    while (number(index)) {
        const std::string verdict = judge(line, program, block(), images[index % count]);
        printf("%u %s\n", index, verdict.c_str());
        fflush(stdout);
        if (verdict != "alive" && verdict != "reloaded" && verdict != "silent") {
            line.reset();
            load(line, program);
        }
    }
    fprintf(stderr, "%llu clocks\n", (unsigned long long)line.clocks);
    return 0;
}
