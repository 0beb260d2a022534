// The C driver against the Verilated core on Wishbone or AXI: a call of the driver becomes clocks.
//
// Standard input: numbers of 32 bits, little-endian, and blocks of bytes with their length before them: a list of
// commands, each a number with its arguments. Standard output: a line for every command, which begins with the
// returned status.

#include "verilated.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "shiftforge.h"

#ifdef AXI
#include "Vshiftforge_axi.h"
typedef Vshiftforge_axi Top;
#else
#include "Vshiftforge_wishbone.h"
typedef Vshiftforge_wishbone Top;
#endif

using Bytes = std::vector<uint8_t>;

static uint32_t number() {
    uint8_t raw[4];
    if (fread(raw, 1, 4, stdin) != 4) exit(0);
    return raw[0] | raw[1] << 8 | raw[2] << 16 | (uint32_t)raw[3] << 24;
}

static Bytes block() {
    Bytes bytes(number());
    if (!bytes.empty() && fread(bytes.data(), 1, bytes.size(), stdin) != bytes.size()) exit(2);
    return bytes;
}

static Top top;
static bool absent = false;  // Nothing answers at the engine's address.

static const int kPatience = 100000;  // Clocks of a handshake.

#ifdef AXI

static void tick() {
    top.aclk = 0;
    top.eval();
    top.aclk = 1;
    top.eval();
}

static void begin() {
    top.aresetn = 0;
    tick();
    tick();
    top.aresetn = 1;
}

static uint32_t read_word(void *, uint32_t offset) {
    if (absent) return 0xFFFFFFFF;
    top.s_axi_araddr = offset;
    top.s_axi_arvalid = 1;
    do {
        top.aclk = 0;
        top.eval();
    } while (!top.s_axi_arready && (tick(), true));
    tick();
    top.s_axi_arvalid = 0;
    top.s_axi_rready = 1;
    while (!top.s_axi_rvalid) tick();
    uint32_t word = top.s_axi_rdata;
    if (top.s_axi_rresp) abort();
    tick();
    top.s_axi_rready = 0;
    return word;
}

static void write_word(void *, uint32_t offset, uint32_t word, unsigned bytes) {
    if (absent) return;
    top.s_axi_awaddr = offset;
    top.s_axi_wdata = word;
    top.s_axi_wstrb = bytes == 4 ? 15 : 1;
    top.s_axi_awvalid = top.s_axi_wvalid = 1;
    tick();  // Both are ready: one write at a time.
    top.s_axi_awvalid = top.s_axi_wvalid = 0;
    top.s_axi_bready = 1;
    while (!top.s_axi_bvalid) tick();
    if (top.s_axi_bresp) abort();
    tick();
    top.s_axi_bready = 0;
}

static int send_frame(void *, const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i += 4) {
        top.s_axis_tdata = 0;
        top.s_axis_tkeep = 0;
        for (size_t j = 0; j < 4 && i + j < size; j++) {
            top.s_axis_tdata |= (uint32_t)data[i + j] << 8 * j;
            top.s_axis_tkeep |= 1 << j;
        }
        top.s_axis_tlast = i + 4 >= size;
        top.s_axis_tvalid = 1;
        int left = kPatience;
        bool taken = false;
        while (!taken && left--) {
            top.aclk = 0;
            top.eval();
            taken = top.s_axis_tready;
            tick();
        }
        top.s_axis_tvalid = 0;
        if (!taken) return 1;
    }
    return 0;
}

static int receive_words(void *, int32_t *words, size_t count) {
    top.m_axis_tready = 1;
    int left = kPatience;
    for (size_t got = 0; got < count;) {
        top.aclk = 0;
        top.eval();
        bool valid = top.m_axis_tvalid;
        if (valid) {
            words[got++] = (int32_t)top.m_axis_tdata;
            if (top.m_axis_tlast != (got == count)) return 1;
        }
        tick();
        if (!valid && !left--) {
            top.m_axis_tready = 0;
            return 1;
        }
    }
    top.m_axis_tready = 0;
    return 0;
}

#else

static void tick() {
    top.wb_clk_i = 0;
    top.eval();
    top.wb_clk_i = 1;
    top.eval();
}

static void begin() {
    top.wb_rst_i = 1;
    tick();
    tick();
    top.wb_rst_i = 0;
}

static uint32_t access(uint32_t offset, uint32_t word, unsigned select, bool write) {
    top.wb_adr_i = offset >> 2;
    top.wb_dat_i = word;
    top.wb_sel_i = select;
    top.wb_we_i = write;
    top.wb_cyc_i = top.wb_stb_i = 1;
    int left = kPatience;
    do {
        tick();
        if (!left-- || top.wb_err_o) abort();
    } while (!top.wb_ack_o);
    uint32_t answer = top.wb_dat_o;
    top.wb_clk_i = 0;
    top.eval();
    tick();
    top.wb_cyc_i = top.wb_stb_i = 0;
    tick();
    return answer;
}

static uint32_t read_word(void *, uint32_t offset) { return absent ? 0xFFFFFFFF : access(offset, 0, 15, false); }

static void write_word(void *, uint32_t offset, uint32_t word, unsigned bytes) {
    if (!absent) access(offset, word, bytes == 4 ? 15 : 1, true);
}

#endif

int main() {
    begin();
    shiftforge engine;
    memset(&engine, 0, sizeof engine);
    for (;;) {
        switch (number()) {
            case 'i': {  // Absent or not, polls: find the engine.
                absent = number();
                engine.read = read_word;
                engine.write = write_word;
#ifdef AXI
                engine.send = send_frame;
                engine.receive = receive_words;
#endif
                engine.polls = number();
                int status = shiftforge_init(&engine);
                printf("%d %u %u %u\n", status, engine.rows, engine.cols, engine.activation_bits);
                break;
            }
            case 'l': {  // Program, bytes of an image, digest.
                Bytes program = block();
                uint32_t image = number();
                uint64_t digest = number();
                digest |= (uint64_t)number() << 32;
                int status = shiftforge_load(&engine, program.data(), program.size(), image, digest);
                printf("%d %u %016llx\n", status, engine.error, (unsigned long long)shiftforge_digest(&engine));
                break;
            }
            case 'c': {  // Classes, an image.
                std::vector<int32_t> logits(number());
                Bytes image = block();
                shiftforge_answer answer = {logits.data(), logits.size(), 0, 0};
                int status = shiftforge_infer(&engine, image.data(), image.size(), &answer);
                printf("%d %u %u", status, answer.klass, answer.cycles);
                for (int32_t logit : logits) printf(" %d", logit);
                printf("\n");
                break;
            }
            case 's': {  // What the driver believes about the size of an image.
                engine.image_bytes = number();
                printf("0\n");
                break;
            }
            case 'p': {  // Polls.
                engine.polls = number();
                printf("0\n");
                break;
            }
            case 'w': {  // A write behind the driver's back.
                uint32_t offset = number();
                write_word(nullptr, offset, number(), 4);
                printf("0\n");
                break;
            }
            default:
                return 1;
        }
        fflush(stdout);
    }
}
