// Runs the jobs of a file on an engine as it is and on its mutants, and prints for each mutant which job noticed it
// first, or -1. What the engine as it is answers is written to the standard error, a line a job.
//
// A job is a program, images, and how the streams pause. What is seen: whether the program and the images are taken,
// and in how many clocks where the streams never pause; every masked write into memory, every logit, every class; the
// clocks of every inference; the error code; a stream that takes back what it offered; and whether all of it came
// within the job's limit of clocks.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "Vengine.h"
#include "verilated.h"

// Verilator writes a double underscore in a port's name as ___05F.
#define PORT(stream, part) stream##___05F##part

struct Job {
    uint32_t clocks, answers, stall, stop_after, idle, settle, slow;
    std::vector<uint8_t> program, images;
};

// FNV-1a over 64 bits: what was seen, in the order in which it was.
struct Digest {
    uint64_t value = 14695981039346656037ull;
    void add(uint32_t kind, uint64_t what) {
        for (uint64_t part : {uint64_t(kind), what})
            for (int i = 0; i < 8; i++) value = (value ^ (part >> (8 * i) & 255)) * 1099511628211ull;
    }
};

struct Random {
    uint32_t state = 1;
    // True with a probability of share / 256; a xorshift generator.
    bool operator()(uint32_t share) {
        state ^= state << 13, state ^= state >> 17, state ^= state << 5;
        return (state & 255) < share;
    }
};

static uint32_t number(FILE* file) {
    uint8_t b[4];
    if (fread(b, 1, 4, file) != 4) exit(2);
    return b[0] | b[1] << 8 | b[2] << 16 | uint32_t(b[3]) << 24;
}

static std::vector<uint8_t> bytes(FILE* file) {
    std::vector<uint8_t> result(number(file));
    if (!result.empty() && fread(result.data(), 1, result.size(), file) != result.size()) exit(2);
    return result;
}

static uint64_t masked(const Vengine& engine) {
    uint64_t lanes = 0;
    for (int lane = 0; lane < LANES; lane++)
        if (engine.PORT(trace_mask, 0) >> lane & 1) lanes |= ((1ull << LANE_BITS) - 1) << (lane * LANE_BITS);
    return engine.PORT(trace_data, 0) & lanes;
}

static void edge(Vengine& engine) {
    engine.clk = 0, engine.eval();
    engine.clk = 1, engine.eval();
}

// Runs one job; the engine is stopped before and after it. What the engine answers is also written out, if asked for.
static uint64_t run(Vengine& engine, const Job& job, FILE* answers_to) {
    Digest seen;
    Random pause;
    enum { PROGRAM, SETTLE, IMAGES } phase = PROGRAM;
    size_t at = 0;
    uint32_t answers = 0, left = job.settle, quiet = 0, started = 0, waited = 0;
    bool busy = false, logit_waits = false, class_waits = false, ended = false;
    uint64_t logit = 0, klass = 0, error = 0;
    engine.run = 0;
    engine.PORT(image, valid) = 0;
    engine.PORT(logits, ready) = engine.PORT(klass, ready) = 0;
    for (uint32_t i = 0; i < job.idle; i++) edge(engine);
    for (uint32_t clock = 0; clock < job.clocks; clock++) {
        const std::vector<uint8_t>& stream = phase == PROGRAM ? job.program : job.images;
        bool offered = phase != SETTLE && at < stream.size();
        // Pauses begin with the second image, so that the clocks of the first one are known.
        bool pauses = phase == PROGRAM ? job.slow : answers > 0;
        bool offer = offered && (!pauses || engine.PORT(image, valid) || !pause(job.stall));
        engine.PORT(image, valid) = offer;
        engine.PORT(image, payload) = offer ? stream[at] : 0;
        engine.PORT(logits, ready) = !pause(job.stall);
        engine.PORT(klass, ready) = !pause(job.stall);
        engine.clk = 0, engine.eval();
        if (logit_waits && !(engine.PORT(logits, valid) && engine.PORT(logits, payload) == logit)) seen.add(1, clock);
        if (class_waits && !(engine.PORT(klass, valid) && engine.PORT(klass, payload) == klass)) seen.add(2, clock);
        logit = engine.PORT(logits, payload), klass = engine.PORT(klass, payload);
        logit_waits = engine.PORT(logits, valid) && !engine.PORT(logits, ready);
        class_waits = engine.PORT(klass, valid) && !engine.PORT(klass, ready);
        if (engine.PORT(logits, valid) && engine.PORT(logits, ready)) {
            seen.add(3, logit);
            if (answers_to) fprintf(answers_to, " %d", int32_t(logit));
        }
        if (engine.PORT(klass, valid) && engine.PORT(klass, ready)) {
            seen.add(4, klass), answers++;
            if (answers_to) fprintf(answers_to, " %d", int(klass));
        }
        if (engine.PORT(trace_valid, 0)) {
            seen.add(5, uint64_t(engine.PORT(trace_address, 0)) << 32 | engine.PORT(trace_mask, 0));
            seen.add(6, masked(engine));
        }
        uint64_t status = engine.status, now = status >> 1 & 7;
        if (now != error) seen.add(7, now);
        error = now;
        if (!busy && (status & 1)) seen.add(8, answers == 0 ? waited : 0);
        if (busy && !(status & 1)) {
            seen.add(9, status >> 4);
            if (answers_to) fprintf(answers_to, " %d", int(status >> 4));
        }
        // A stopped engine needs some clocks to look it.
        busy = phase == IMAGES && (status & 1);
        bool taken = offer && engine.PORT(image, ready);
        waited = phase == IMAGES && at ? waited + 1 : 0;
        engine.clk = 1, engine.eval();
        if (taken) at++, engine.PORT(image, valid) = 0;
        bool begun = phase == IMAGES;
        if (phase == PROGRAM && at == stream.size()) seen.add(10, clock), phase = SETTLE, at = 0;
        if (phase == SETTLE && left-- == 0) phase = IMAGES, engine.run = 1;
        if (begun && job.stop_after && ++started >= job.stop_after) break;
        // A few clocks more: nothing else may come.
        if (engine.PORT(logits, valid)) quiet = 0;
        if (phase == IMAGES && answers == job.answers && at == stream.size() && !busy && ++quiet == 24) {
            ended = true;
            break;
        }
    }
    seen.add(11, ended), seen.add(12, at);
    return seen.value;
}

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    FILE* file = fopen(argv[1], "rb");
    if (!file) return 2;
    std::vector<Job> jobs(number(file));
    for (Job& job : jobs) {
        job.clocks = number(file), job.answers = number(file), job.stall = number(file), job.stop_after = number(file);
        job.idle = number(file), job.settle = number(file), job.slow = number(file);
        job.program = bytes(file), job.images = bytes(file);
    }
    std::vector<uint64_t> as_it_is;
    for (int next = atoi(argv[2]), mutant = 0; mutant <= atoi(argv[3]); mutant = next++) {
        // A fresh engine, whose memories are what they are after power-up.
        VerilatedContext context;
        Vengine engine(&context);
        engine.mutant = mutant;
        engine.run = 0, engine.PORT(image, valid) = 0;
        for (int i = 0; i < 4; i++) edge(engine);
        int noticed = -1;
        for (size_t i = 0; i < jobs.size() && noticed < 0; i++) {
            uint64_t seen = run(engine, jobs[i], mutant ? nullptr : stderr);
            if (!mutant) {
                fprintf(stderr, " %d\n", int(engine.status >> 1 & 7));
                as_it_is.push_back(seen);
            } else if (seen != as_it_is[i]) {
                noticed = int(i);
            }
        }
        if (mutant) printf("%d\n", noticed);
        fflush(stdout);
    }
    return 0;
}
