// JSON text made as fast as the peers in C can: literals by memcpy, digits two at a time, strings
// eight bytes at a time. The caller has room for what is written.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PUT(at, literal) put_bytes(at, literal, sizeof(literal) - 1)

static inline char *put_bytes(char *at, const char *bytes, size_t count)
{
    memcpy(at, bytes, count);
    return at + count;
}

static const char digit_pairs[201] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static inline unsigned digits_of(uint64_t value)
{
    static const uint64_t powers[20] = {
        0ULL, 10ULL, 100ULL, 1000ULL, 10000ULL, 100000ULL, 1000000ULL, 10000000ULL, 100000000ULL,
        1000000000ULL, 10000000000ULL, 100000000000ULL, 1000000000000ULL, 10000000000000ULL,
        100000000000000ULL, 1000000000000000ULL, 10000000000000000ULL, 100000000000000000ULL,
        1000000000000000000ULL, 10000000000000000000ULL};
    // 1233/4096 is log10(2), near enough for 64 bits.
    const unsigned guess = ((64 - __builtin_clzll(value | 1)) * 1233) >> 12;
    return guess + (value >= powers[guess]);
}

static inline char *put_u64(char *at, uint64_t value)
{
    const unsigned count = digits_of(value);
    char *digit = at + count;
    while (value >= 100) {
        digit -= 2;
        memcpy(digit, digit_pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10)
        memcpy(digit - 2, digit_pairs + 2 * value, 2);
    else
        digit[-1] = '0' + (char)value;
    return at + count;
}

static inline char *put_s64(char *at, int64_t value)
{
    if (value < 0) {
        *at++ = '-';
        return put_u64(at, 0 - (uint64_t)value);
    }
    return put_u64(at, (uint64_t)value);
}

// Nine digits, with zeroes before: the nanoseconds of a second.
static inline char *put_nine(char *at, uint32_t value)
{
    *at = '0' + (char)(value / 100000000);
    value %= 100000000;
    for (int place = 7; place >= 1; place -= 2) {
        memcpy(at + place, digit_pairs + 2 * (value % 100), 2);
        value /= 100;
    }
    return at + 9;
}

// The text of a char array up to its NUL, quoted. `size` is a multiple of eight; writes up to seven
// bytes more than it returns, and six for each byte at worst.
static inline char *put_text(char *at, const char *text, size_t size)
{
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    *at++ = '"';
    for (size_t i = 0; i < size;) {
        uint64_t word;
        memcpy(&word, text + i, 8);
        const uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
        const uint64_t special = ((word - ones * 0x20) & ~word & tops) | (word & tops) |
                                 ((quote - ones) & ~quote & tops) |
                                 ((slash - ones) & ~slash & tops);
        memcpy(at, &word, 8);
        if (!special) {
            at += 8;
            i += 8;
            continue;
        }
        // Byte by byte from the first special one to the end of this word.
        const size_t plain = (size_t)__builtin_ctzll(special) >> 3;
        at += plain;
        const size_t word_end = i + 8;
        for (i += plain; i < word_end; i++) {
            const unsigned char byte = (unsigned char)text[i];
            if (byte == 0) {
                *at++ = '"';
                return at;
            }
            if (byte == '"' || byte == '\\') {
                *at++ = '\\';
                *at++ = (char)byte;
            } else if (byte < 0x20 || byte >= 0x80) {
                at += sprintf(at, "\\u%04x", byte);
            } else {
                *at++ = (char)byte;
            }
        }
    }
    *at++ = '"';
    return at;
}
