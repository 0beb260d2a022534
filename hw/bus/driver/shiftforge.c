#include "shiftforge.h"

#define NO_CLASS 0xFFFFu
#define FIELD(word, name) (((word) & SHIFTFORGE_##name##_MASK) >> SHIFTFORGE_##name##_SHIFT)

static uint32_t get(shiftforge *engine, uint32_t offset) {
    if (engine->read) return engine->read(engine->context, offset);
    return *(volatile uint32_t *)((volatile uint8_t *)engine->base + offset);
}

static void put(shiftforge *engine, uint32_t offset, uint32_t word, unsigned bytes) {
    if (engine->write)
        engine->write(engine->context, offset, word, bytes);
    else if (bytes == 1)
        *((volatile uint8_t *)engine->base + offset) = (uint8_t)word;
    else
        *(volatile uint32_t *)((volatile uint8_t *)engine->base + offset) = word;
}

static void set(shiftforge *engine, uint32_t offset, uint32_t word) { put(engine, offset, word, 4); }

static int through_registers(shiftforge *engine) {
    return FIELD(get(engine, SHIFTFORGE_REG_VERSION), VERSION_DATA) != 0;
}

/* Why the engine does not go on, if it does not. */
static shiftforge_status trouble(shiftforge *engine) {
    uint32_t events = get(engine, SHIFTFORGE_REG_EVENTS);
    engine->error = FIELD(get(engine, SHIFTFORGE_REG_STATUS), STATUS_ERROR);
    if (engine->error) return SHIFTFORGE_ENGINE;
    if (events & (SHIFTFORGE_EVENTS_PROGRAM_SIZE_MASK | SHIFTFORGE_EVENTS_IMAGE_SIZE_MASK)) return SHIFTFORGE_SIZE;
    if (events & (SHIFTFORGE_EVENTS_DATA_FULL_MASK | SHIFTFORGE_EVENTS_LOGIT_EMPTY_MASK)) return SHIFTFORGE_TRANSFER;
    if (events & (SHIFTFORGE_EVENTS_NOT_LOADED_MASK | SHIFTFORGE_EVENTS_DROPPED_MASK)) return SHIFTFORGE_STOPPED;
    return SHIFTFORGE_OK;
}

/* Wait until the bits of `mask` of STATUS are `value`. */
static shiftforge_status wait_for(shiftforge *engine, uint32_t mask, uint32_t value) {
    uint32_t left;
    for (left = engine->polls; left; left--) {
        shiftforge_status status;
        if ((get(engine, SHIFTFORGE_REG_STATUS) & mask) == value) return SHIFTFORGE_OK;
        status = trouble(engine);
        if (status) return status;
    }
    return SHIFTFORGE_TIMEOUT;
}

/* Stop the engine and forget its network; what an earlier failure has left is gone. */
static shiftforge_status reset(shiftforge *engine) {
    uint32_t left;
    engine->image_bytes = 0;
    engine->error = 0;
    set(engine, SHIFTFORGE_REG_CONTROL, SHIFTFORGE_CONTROL_RESET_MASK);
    for (left = engine->polls; left; left--)
        if (!(get(engine, SHIFTFORGE_REG_STATUS) &
              (SHIFTFORGE_STATUS_RUNNING_MASK | SHIFTFORGE_STATUS_LOADED_MASK | SHIFTFORGE_STATUS_ERROR_MASK)))
            return SHIFTFORGE_OK;
    return SHIFTFORGE_TIMEOUT;
}

/* Send a frame through DATA, as much at a time as there is space for. */
static shiftforge_status send_words(shiftforge *engine, const uint8_t *data, size_t size) {
    uint32_t space = 0;
    while (size) {
        uint32_t left;
        for (left = engine->polls; !space && left; left--) space = get(engine, SHIFTFORGE_REG_DATA_SPACE);
        if (!space) return SHIFTFORGE_TIMEOUT;
        space--;
        if (size >= 4) {
            uint32_t word = (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
                            (uint32_t)data[3] << 24;
            put(engine, size == 4 ? SHIFTFORGE_REG_DATA_LAST : SHIFTFORGE_REG_DATA, word, 4);
            data += 4;
            size -= 4;
        } else {
            put(engine, size == 1 ? SHIFTFORGE_REG_DATA_LAST : SHIFTFORGE_REG_DATA, *data, 1);
            data += 1;
            size -= 1;
        }
    }
    return SHIFTFORGE_OK;
}

static shiftforge_status send_frame(shiftforge *engine, const uint8_t *data, size_t size) {
    if (through_registers(engine)) return send_words(engine, data, size);
    if (!engine->send || !engine->receive) return SHIFTFORGE_ARGUMENT;
    return engine->send(engine->context, data, size) ? SHIFTFORGE_TRANSFER : SHIFTFORGE_OK;
}

static shiftforge_status receive_logits(shiftforge *engine, int32_t *logits, size_t count) {
    size_t got = 0;
    uint32_t left = engine->polls;
    if (!through_registers(engine))
        return engine->receive(engine->context, logits, count) ? SHIFTFORGE_TRANSFER : SHIFTFORGE_OK;
    while (got < count) {
        uint32_t waiting = get(engine, SHIFTFORGE_REG_LOGITS_WAITING);
        if (waiting) {
            left = engine->polls;
            for (; waiting && got < count; waiting--, got++) {
                uint32_t word = get(engine, SHIFTFORGE_REG_LOGIT);
                logits[got] = word & 0x80000000u ? -(int32_t)(~word) - 1 : (int32_t)word;
            }
        } else {
            shiftforge_status status = trouble(engine);
            if (status) return status;
            if (!left--) return SHIFTFORGE_TIMEOUT;
        }
    }
    return SHIFTFORGE_OK;
}

shiftforge_status shiftforge_init(shiftforge *engine) {
    uint32_t version, shape, alphabet;
    if (!engine || !engine->polls) return SHIFTFORGE_ARGUMENT;
    if (engine->read ? !engine->write : !engine->base) return SHIFTFORGE_ARGUMENT;
    if (get(engine, SHIFTFORGE_REG_MAGIC) != SHIFTFORGE_MAGIC_NUMBER) return SHIFTFORGE_NOT_FOUND;
    version = get(engine, SHIFTFORGE_REG_VERSION);
    if (FIELD(version, VERSION_MAP) != SHIFTFORGE_MAP_VERSION ||
        FIELD(version, VERSION_PROGRAM) != SHIFTFORGE_PROGRAM_VERSION)
        return SHIFTFORGE_VERSION;
    /* A bus that loses bits, or an address that is something else's too. */
    set(engine, SHIFTFORGE_REG_SCRATCH, 0xA5C35A3Cu);
    if (get(engine, SHIFTFORGE_REG_SCRATCH) != 0xA5C35A3Cu) return SHIFTFORGE_NOT_FOUND;
    set(engine, SHIFTFORGE_REG_SCRATCH, 0x5A3CA5C3u);
    if (get(engine, SHIFTFORGE_REG_SCRATCH) != 0x5A3CA5C3u) return SHIFTFORGE_NOT_FOUND;
    shape = get(engine, SHIFTFORGE_REG_SHAPE);
    alphabet = get(engine, SHIFTFORGE_REG_ALPHABET);
    engine->rows = FIELD(shape, SHAPE_ROWS);
    engine->cols = FIELD(shape, SHAPE_COLS);
    engine->activation_bits = FIELD(shape, SHAPE_ACTIVATION_BITS);
    engine->code_bits = FIELD(alphabet, ALPHABET_CODE_BITS);
    engine->alphabet = FIELD(alphabet, ALPHABET_NUMBER);
    return reset(engine);
}

/* The first instruction of a program: opcode 4 bits, version 8, rows 8, columns 8, activation bits 4, code bits 4,
 * alphabet 6, words 16. */
static shiftforge_status check_header(const shiftforge *engine, const uint8_t *program, size_t size) {
    uint64_t header = 0;
    int i;
    if (size < 8) return SHIFTFORGE_SIZE;
    for (i = 7; i >= 0; i--) header = header << 8 | program[i];
    if ((header & 0xF) != 0) return SHIFTFORGE_SHAPE;
    if ((header >> 4 & 0xFF) != SHIFTFORGE_PROGRAM_VERSION) return SHIFTFORGE_VERSION;
    if ((header >> 12 & 0xFF) != engine->rows || (header >> 20 & 0xFF) != engine->cols) return SHIFTFORGE_SHAPE;
    if ((header >> 28 & 0xF) != engine->activation_bits || (header >> 32 & 0xF) != engine->code_bits)
        return SHIFTFORGE_SHAPE;
    if ((header >> 36 & 0x3F) != engine->alphabet) return SHIFTFORGE_SHAPE;
    if ((uint64_t)size * 8 != (header >> 42 & 0xFFFF) * engine->rows * engine->activation_bits) return SHIFTFORGE_SIZE;
    return SHIFTFORGE_OK;
}

shiftforge_status shiftforge_load(shiftforge *engine, const uint8_t *program, size_t size, uint32_t image_bytes,
                                  uint64_t digest) {
    shiftforge_status status;
    if (!engine || !program || !image_bytes || image_bytes >> 24 || size >> 24) return SHIFTFORGE_ARGUMENT;
    status = check_header(engine, program, size);
    if (status) return status;
    status = reset(engine);
    if (status) return status;
    set(engine, SHIFTFORGE_REG_PROGRAM_BYTES, (uint32_t)size);
    set(engine, SHIFTFORGE_REG_IMAGE_BYTES, image_bytes);
    set(engine, SHIFTFORGE_REG_DIGEST_LOW, (uint32_t)digest);
    set(engine, SHIFTFORGE_REG_DIGEST_HIGH, (uint32_t)(digest >> 32));
    status = send_frame(engine, program, size);
    if (status) return status;
    status = wait_for(engine, SHIFTFORGE_STATUS_LOADED_MASK, SHIFTFORGE_STATUS_LOADED_MASK);
    if (status) return status;
    set(engine, SHIFTFORGE_REG_CONTROL, SHIFTFORGE_CONTROL_RUN_MASK);
    status = wait_for(engine, SHIFTFORGE_STATUS_WANTED_MASK, SHIFTFORGE_STATUS_WANTED_MASK);
    if (status) return status;
    engine->image_bytes = image_bytes;
    return SHIFTFORGE_OK;
}

shiftforge_status shiftforge_infer(shiftforge *engine, const uint8_t *image, size_t size, shiftforge_answer *answer) {
    shiftforge_status status;
    if (!engine || !image || !size || !answer || !answer->logits || !answer->classes) return SHIFTFORGE_ARGUMENT;
    if (!(get(engine, SHIFTFORGE_REG_STATUS) & SHIFTFORGE_STATUS_RUNNING_MASK)) return SHIFTFORGE_STOPPED;
    if (size != engine->image_bytes) return SHIFTFORGE_SIZE;
    set(engine, SHIFTFORGE_REG_EVENTS, 0xFFFFFFFFu);
    status = send_frame(engine, image, size);
    if (!status) status = receive_logits(engine, answer->logits, answer->classes);
    if (!status) status = wait_for(engine, SHIFTFORGE_STATUS_RESULT_MASK, SHIFTFORGE_STATUS_RESULT_MASK);
    if (status) {
        /* The engine's own reason, if it has one, says more than that nothing came. */
        shiftforge_status reason = trouble(engine);
        return reason ? reason : status;
    }
    answer->cycles = get(engine, SHIFTFORGE_REG_CYCLES);
    answer->klass = get(engine, SHIFTFORGE_REG_CLASS);
    if (answer->klass == NO_CLASS) {
        size_t i;
        answer->klass = 0;
        for (i = 1; i < answer->classes; i++)
            if (answer->logits[i] > answer->logits[answer->klass]) answer->klass = (uint32_t)i;
    }
    return SHIFTFORGE_OK;
}

uint64_t shiftforge_digest(shiftforge *engine) {
    return (uint64_t)get(engine, SHIFTFORGE_REG_DIGEST_HIGH) << 32 | get(engine, SHIFTFORGE_REG_DIGEST_LOW);
}
