// Runs a board's top level, and offers its link to the host as a pseudo-terminal.
//
// Arguments: half clocks of a bit of the UART, or of half an SPI clock, "uart" or "spi", the clocks after which a silent
// board sleeps until the host says something, a seed for the registers' values before the reset, and
// optionally a flash image with the address of its first byte. The first line of standard output is the terminal's
// name. SIGTERM ends it with a line of figures.

#include "Vsimulated_board.h"
#include "verilated.h"

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <termios.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <vector>

static volatile sig_atomic_t stopped = 0;

static void stop(int) { stopped = 1; }

static void fail(const char* what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

// The host's end of the line. The other end is kept open, so that a host may come and go.
class Terminal {
   public:
    Terminal() {
        master = posix_openpt(O_RDWR | O_NOCTTY);
        if (master < 0 || grantpt(master) || unlockpt(master)) fail("pseudo-terminal");
        name = ptsname(master);
        keep = open(name.c_str(), O_RDWR | O_NOCTTY);
        if (keep < 0) fail("pseudo-terminal");
        termios settings;
        tcgetattr(keep, &settings);
        cfmakeraw(&settings);
        tcsetattr(keep, TCSANOW, &settings);
        fcntl(master, F_SETFL, O_NONBLOCK);
    }

    // What the host sent is taken in small pieces, as slowly as the line carries it.
    bool next(uint8_t& byte) {
        if (incoming.empty()) {
            uint8_t piece[64];
            ssize_t got = read(master, piece, sizeof piece);
            if (got <= 0) return false;
            incoming.insert(incoming.end(), piece, piece + got);
        }
        byte = incoming.front();
        incoming.pop_front();
        return true;
    }

    // Bytes nobody reads are lost, as on a wire.
    void put(uint8_t byte) {
        if (write(master, &byte, 1) < 0 && errno != EAGAIN) fail("pseudo-terminal");
    }

    void sleep() {
        pollfd wanted = {master, POLLIN, 0};
        poll(&wanted, 1, 200);
    }

    std::string name;

   private:
    int master, keep;
    std::deque<uint8_t> incoming;
};

// A flash that knows the command "read", in SPI mode 0.
class Flash {
   public:
    std::vector<uint8_t> content;
    uint32_t first = 0;

    int step(bool selected, bool clock, bool data) {
        if (!selected) {
            bits = 0;
            command = 0;
        } else if (clock && !before) {
            if (bits < 32) command = command << 1 | data;
            bits++;
        } else if (!clock && before && bits >= 32 && command >> 24 == 0x03) {
            uint64_t at = ((uint64_t)(command & 0xFFFFFF)) * 8 + bits - 32;
            uint64_t byte = at / 8 - first;
            uint8_t value = at / 8 >= first && byte < content.size() ? content[byte] : 0xFF;
            out = value >> (7 - at % 8) & 1;
        }
        before = clock && selected;
        return out;
    }

   private:
    bool before = false;
    int out = 1;
    uint64_t bits = 0;
    uint32_t command = 0;
};

// The host's UART. Times are in half clocks: a bit need not take a whole number of clocks.
class Uart {
   public:
    Uart(Terminal& terminal, int bit) : terminal(terminal), bit(bit) {}

    // The level of the board's input; `level` is the board's output.
    int step(int level, bool& active) {
        wait -= 2;
        if (wait <= 0) {
            if (left > 0) {
                shift >>= 1;
                left--;
            }
            uint8_t byte;
            if (left == 0 && terminal.next(byte)) {
                shift = 0x200 | byte << 1;
                left = 10;
                busy_bits += 8;
            }
            wait = (left || wait < 0 ? wait : 0) + bit;
        }
        active = active || left > 0;
        receive(level, active);
        return left ? shift & 1 : 1;
    }

    uint64_t busy_bits = 0;

   private:
    void receive(int level, bool& active) {
        if (expected == 0) {
            if (level == 0) {
                expected = 9;
                until = bit + bit / 2;
            }
            return;
        }
        active = true;
        until -= 2;
        if (until > 0) return;
        until += bit;
        if (--expected)
            value = value >> 1 | level << 7;
        else
            terminal.put(value);
    }

    Terminal& terminal;
    int bit;
    int left = 0, wait = 0, shift = 0;
    int expected = 0, until = 0;
    uint8_t value = 0;
};

// The host's SPI, mode 0: a byte from the terminal is exchanged for a byte of the board's.
class Spi {
   public:
    Spi(Terminal& terminal, int half) : terminal(terminal), half(half) {}

    void step(Vsimulated_board& top, bool& active) {
        if (wait > 0) {
            wait--;
            active = active || bit < 16 || !deselected;
            return;
        }
        wait = half - 1;
        if (bit == 16) {
            uint8_t byte;
            if (!terminal.next(byte)) {
                // Deselected between bursts; a burst's first bit comes a little after the selection.
                deselected = true;
                top.spi_cs_n = 1;
                top.spi_sclk = 0;
                wait = 4 * half;
                return;
            }
            shift = byte;
            bit = 0;
            busy_bits += 8;
            active = true;
            top.spi_sclk = 0;
            top.spi_copi = shift >> 7;
            if (deselected) {
                top.spi_cs_n = 0;
                deselected = false;
                wait = 4 * half;
            }
            return;
        }
        active = true;
        if (bit % 2 == 0) {
            top.spi_sclk = 1;
            shift = shift << 1 | (top.spi_cipo & 1);
        } else {
            top.spi_sclk = 0;
            top.spi_copi = shift >> 7 & 1;
        }
        if (++bit == 16) terminal.put(shift);
    }

    uint64_t busy_bits = 0;

   private:
    Terminal& terminal;
    int half;
    bool deselected = true;
    int bit = 16, wait = 0;
    uint8_t shift = 0;
};

int main(int argc, char** argv) {
    if (argc != 5 && argc != 7) return 2;
    int bit = atoi(argv[1]);
    bool uart = !strcmp(argv[2], "uart");
    uint64_t quiet = strtoull(argv[3], nullptr, 10);
    Verilated::randReset(2);
    Verilated::randSeed(atoi(argv[4]));
    Flash flash;
    if (argc == 7) {
        FILE* file = fopen(argv[5], "rb");
        if (!file) fail(argv[5]);
        int c;
        while ((c = fgetc(file)) != EOF) flash.content.push_back(c);
        fclose(file);
        flash.first = strtoul(argv[6], nullptr, 0);
    }
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    Terminal terminal;
    printf("%s\n", terminal.name.c_str());
    fflush(stdout);

    Vsimulated_board top;
    Uart line(terminal, bit);
    Spi spi(terminal, (bit + 1) / 2);
    top.clk = 0;
    top.locked = 0;
    top.rx = 1;
    top.spi_cs_n = 1;
    top.spi_sclk = 0;
    uint64_t clocks = 0, active_clock = 0;
    while (!stopped) {
        bool active = false;
        if (clocks == 64) top.locked = 1;
        if (clocks > 128) {
            if (uart)
                top.rx = line.step(top.tx & 1, active);
            else
                spi.step(top, active);
        }
        top.flash_cipo = flash.step(!top.flash_cs_n, top.flash_sclk, top.flash_copi);
        top.clk = 1;
        top.eval();
        top.clk = 0;
        top.eval();
        clocks++;
        if (active)
            active_clock = clocks;
        else if (clocks - active_clock > quiet)
            terminal.sleep();
    }
    top.final();
    printf("{\"clocks\": %llu, \"bits_from_host\": %llu}\n", (unsigned long long)clocks,
           (unsigned long long)(line.busy_bits + spi.busy_bits));
    return 0;
}
