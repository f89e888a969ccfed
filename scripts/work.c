/* A fixed amount of work, and EXTRA per mille more of it, timed by itself: the program of scripts/false-alarms. The line on
 * standard error is what isobench reads as a workload's own report (docs/results.md, self_report). */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int main(void) {
    const uint64_t rounds = STEPS + STEPS * EXTRA / 1000;
    uint64_t state = 1, begin = now_ns();
    for (uint64_t round = 0; round < rounds; round++) {
        /* Each step needs the one before it, so no compiler can leave any out. */
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    uint64_t end = now_ns();
    fprintf(stderr, "elapsed_ns=%llu work=%llu unit=step\n", (unsigned long long)(end - begin), (unsigned long long)STEPS);
    printf("%llx\n", (unsigned long long)state);
    return 0;
}
