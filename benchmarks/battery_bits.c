/* The bits of varprop/kernels/philox.py, written out without end, for programs that read bits from a pipe; at their
   end says how many bytes they took.

   battery_bits GENERATOR ROUNDS SEED NETWORK STREAM INDEX ORDER SHAPE

   GENERATOR  philox, or one that is bad on purpose: lcg (one multiplication modulo 2^32 a word)
   ORDER      which of seed (k), network (n), stream (s), index (i) is counted, the fastest first: "n64i" draws index 0
              of 64 networks, then their index 1, and so on; the last has no end
   SHAPE      draws  the four words of a draw, draw by draw
              lanes  of 64 draws word 0, then word 1 ...: what the kernels hold of 64 networks
              lows   the lowest byte of each word
              turned each word with its last bit first
              xor    of two draws in turn the exclusive or, which shows what they have in common

   battery.py holds these bits against the package's own, draw by draw, before it believes a result.  */

#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS = 4096, LANES = 64, AXES = 4 };

typedef struct { uint32_t c[4][DRAWS], k[2][DRAWS]; } places;

static void philox(places *at, int rounds)
{
    for (size_t b = 0; b < DRAWS; b += LANES)
        for (int r = 0; r < rounds; r++)
            for (size_t d = b; d < b + LANES; d++) {
                uint64_t p0 = (uint64_t)at->c[0][d] * 0xD2511F53u, p1 = (uint64_t)at->c[2][d] * 0xCD9E8D57u;
                at->c[0][d] = (uint32_t)(p1 >> 32) ^ at->c[1][d] ^ at->k[0][d];
                at->c[1][d] = (uint32_t)p1;
                at->c[2][d] = (uint32_t)(p0 >> 32) ^ at->c[3][d] ^ at->k[1][d];
                at->c[3][d] = (uint32_t)p0;
                at->k[0][d] += 0x9E3779B9u, at->k[1][d] += 0xBB67AE85u;
            }
}

static uint32_t turned(uint32_t x)
{
    x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
    x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
    x = (x >> 4 & 0x0F0F0F0Fu) | (x & 0x0F0F0F0Fu) << 4;
    return __builtin_bswap32(x);
}

/* Shape `count` words in place; return the bytes that are left. */
static size_t shaped(uint32_t *words, uint32_t *spare, size_t count, char shape)
{
    unsigned char *bytes = (unsigned char *)words;
    switch (shape) {
    case 'l':  /* lanes */
        memcpy(spare, words, count * sizeof *words);
        for (size_t i = 0; i < count; i++)
            words[i / (4 * LANES) * (4 * LANES) + i % 4 * LANES + i / 4 % LANES] = spare[i];
        return count * 4;
    case 'b':  /* lows */
        for (size_t i = 0; i < count; i++)
            bytes[i] = (unsigned char)words[i];
        return count;
    case 't':
        for (size_t i = 0; i < count; i++)
            words[i] = turned(words[i]);
        return count * 4;
    case 'x':
        for (size_t i = 0; i < count / 2; i++)
            words[i] = words[i / 4 * 8 + i % 4] ^ words[i / 4 * 8 + 4 + i % 4];
        return count * 2;
    default:
        return count * 4;
    }
}

int main(int argc, char **argv)
{
    static uint32_t words[4 * DRAWS], spare[4 * DRAWS];
    static places block;
    uint64_t start[AXES], at[AXES], length[AXES] = {0}, count[AXES] = {0};
    int axis[AXES], axes = 0, rounds;
    const char *names = "knsi";
    if (argc != 9)
        return fputs("battery_bits GENERATOR ROUNDS SEED NETWORK STREAM INDEX ORDER SHAPE\n", stderr), 2;
    int lcg = !strcmp(argv[1], "lcg");
    char shape = !strcmp(argv[8], "lows") ? 'b' : argv[8][0];
    rounds = atoi(argv[2]);
    for (int a = 0; a < AXES; a++)
        start[a] = at[a] = strtoull(argv[3 + a], NULL, 10);
    for (char *p = argv[7]; *p && axes < AXES; axes++) {
        const char *name = strchr(names, *p);
        if (!name)
            return fprintf(stderr, "no such axis: %s\n", p), 2;
        axis[axes] = (int)(name - names);
        length[axes] = strtoull(p + 1, &p, 10);
    }
    fcntl(1, F_SETPIPE_SZ, 1 << 20);
    signal(SIGPIPE, SIG_IGN);
    uint64_t written = 0;
    uint32_t state = (uint32_t)start[0];
    for (;;) {
        for (size_t d = 0; d < DRAWS; d++) {
            block.c[0][d] = (uint32_t)at[3], block.c[1][d] = (uint32_t)at[2];
            block.c[2][d] = (uint32_t)at[1], block.c[3][d] = (uint32_t)(at[1] >> 32);
            block.k[0][d] = (uint32_t)at[0], block.k[1][d] = (uint32_t)(at[0] >> 32);
            for (int a = 0; a < axes; a++) {  /* count on; an axis at its end begins again and moves the next */
                int more = ++count[a] != length[a];
                if (!more)
                    count[a] = 0;
                at[axis[a]] = start[axis[a]] + count[a];
                if (more)
                    break;
            }
        }
        if (!lcg)
            philox(&block, rounds);
        for (size_t d = 0; d < DRAWS; d++)
            for (int w = 0; w < 4; w++)
                words[4 * d + w] = lcg ? (state = state * 1664525u + 1013904223u) : block.c[w][d];
        size_t bytes = shaped(words, spare, 4 * DRAWS, shape);
        if (fwrite(words, 1, bytes, stdout) != bytes)  /* the reader has enough */
            return fprintf(stderr, "%" PRIu64 "\n", written), 0;
        written += bytes;
    }
}
