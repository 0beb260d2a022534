/* Driver of a shiftforge engine on a bus: C99, no allocation, no global state.
 *
 *     shiftforge engine = {.base = (volatile void *)0x30000000, .polls = 1000000};
 *     shiftforge_answer answer = {.logits = logits, .classes = SHIFTFORGE_NETWORK_CLASSES};
 *     if (shiftforge_init(&engine) ||
 *         shiftforge_load(&engine, shiftforge_network_program, sizeof shiftforge_network_program,
 *                         SHIFTFORGE_NETWORK_IMAGE_BYTES, SHIFTFORGE_NETWORK_DIGEST) ||
 *         shiftforge_infer(&engine, image, sizeof image, &answer))
 *         ...
 *
 * Every function returns SHIFTFORGE_OK or the reason why not; after each reason but SHIFTFORGE_NOT_FOUND and
 * SHIFTFORGE_VERSION a load brings the engine back. */
#ifndef SHIFTFORGE_H
#define SHIFTFORGE_H

#include <stddef.h>
#include <stdint.h>

#include "shiftforge_registers.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    SHIFTFORGE_OK = 0,
    SHIFTFORGE_ARGUMENT,  /* a null pointer, no bytes, no polls, or no way to the data */
    SHIFTFORGE_NOT_FOUND, /* no engine answers at this address */
    SHIFTFORGE_VERSION,   /* the engine has another register map or program format than this driver */
    SHIFTFORGE_SHAPE,     /* the program was compiled for another engine; nothing was sent */
    SHIFTFORGE_SIZE,      /* program or image has another size than the engine was told */
    SHIFTFORGE_ENGINE,    /* the engine stopped; the field error says why */
    SHIFTFORGE_STOPPED,   /* no network is loaded and running */
    SHIFTFORGE_TRANSFER,  /* the callback that sends or receives data failed */
    SHIFTFORGE_TIMEOUT    /* the engine did not get there within the number of polls */
} shiftforge_status;

/* An engine. The caller fills the first part, shiftforge_init the second. */
typedef struct {
    /* Address of the registers, for accesses through a pointer; not used if there are callbacks. */
    volatile void *base;
    /* Accesses to registers, or null. `bytes` is 4, or 1 for the lowest byte of the word alone. */
    uint32_t (*read)(void *context, uint32_t offset);
    void (*write)(void *context, uint32_t offset, uint32_t word, unsigned bytes);
    /* The streams of an engine on AXI: send a frame whose last byte is marked, receive words; 0 if it worked.
     * Not used on Wishbone. */
    int (*send)(void *context, const uint8_t *data, size_t size);
    int (*receive)(void *context, int32_t *words, size_t count);
    void *context;
    /* Reads of a register after which a wait is given up. */
    uint32_t polls;

    uint32_t rows, cols, activation_bits, code_bits, alphabet;
    uint32_t image_bytes; /* of the loaded network */
    uint32_t error;       /* why the engine stopped: 1 version, 2 shape, 3 instruction, 4 checksum, 5 watchdog */
} shiftforge;

/* What an image gives. The caller fills in where the logits go and how many there are. */
typedef struct {
    int32_t *logits;
    size_t classes;
    uint32_t klass;  /* the largest logit, the lowest index wins ties */
    uint32_t cycles; /* clocks of the inference */
} shiftforge_answer;

/* Find the engine, check its versions and its bus, read its shape, stop it and forget its network. */
shiftforge_status shiftforge_init(shiftforge *engine);

/* Load a program for images of `image_bytes` bytes and start it. The digest is the caller's; the engine keeps it. */
shiftforge_status shiftforge_load(shiftforge *engine, const uint8_t *program, size_t size, uint32_t image_bytes,
                                  uint64_t digest);

/* Classify an image: rows, pixels, channels innermost, an activation a byte (of 4 bits, two a byte, the first low). */
shiftforge_status shiftforge_infer(shiftforge *engine, const uint8_t *image, size_t size, shiftforge_answer *answer);

/* Return the digest of the loaded network. */
uint64_t shiftforge_digest(shiftforge *engine);

#ifdef __cplusplus
}
#endif

#endif
