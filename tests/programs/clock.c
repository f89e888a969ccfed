/* Clocks: monotonic never goes back, a sleep lasts as long as asked, the date is plausible. */
#include "check.h"

#include <sys/time.h>
#include <time.h>

static long long now(clockid_t clock)
{
    struct timespec time;
    CHECK(clock_gettime(clock, &time) == 0);
    CHECK(time.tv_nsec >= 0 && time.tv_nsec < 1000000000);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static void never_back(const char *name, clockid_t clock)
{
    long long first = now(clock), last = first;
    for (int i = 0; i < 200000; i++) {
        long long time = now(clock);
        CHECK(time >= last);
        last = time;
    }
    CHECK(last > first);
    printf("%s ok\n", name);
}

int main(void)
{
    never_back("monotonic", CLOCK_MONOTONIC);
    never_back("monotonic raw", CLOCK_MONOTONIC_RAW);
    struct timespec resolution;
    CHECK(clock_getres(CLOCK_MONOTONIC, &resolution) == 0 && resolution.tv_sec == 0);

    for (int milliseconds = 1; milliseconds <= 50; milliseconds *= 7) {
        struct timespec pause = {0, milliseconds * 1000000};
        long long start = now(CLOCK_MONOTONIC), wall = now(CLOCK_REALTIME);
        CHECK(nanosleep(&pause, NULL) == 0);
        long long slept = now(CLOCK_MONOTONIC) - start;
        CHECK(slept >= pause.tv_nsec);
        CHECK(slept < 10 * 1000000000ll);
        /* Both clocks saw the same pause, but for a correction by a time server. */
        long long difference = now(CLOCK_REALTIME) - wall - slept;
        CHECK(difference > -1000000000ll && difference < 1000000000ll);
    }
    struct timespec pause = {0, 5000000};
    long long start = now(CLOCK_MONOTONIC);
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL) == 0);
    CHECK(now(CLOCK_MONOTONIC) - start >= 5000000);
    printf("sleep ok\n");

    /* Between the day this was written and the end of 32-bit time. */
    time_t date = time(NULL);
    CHECK(date > 1760000000 && date < 2147483647);
    struct timeval day;
    CHECK(gettimeofday(&day, NULL) == 0 && labs(day.tv_sec - date) <= 2);
    printf("date ok\n");

    /* The clock of CPU time advances with work. */
    long long used = now(CLOCK_PROCESS_CPUTIME_ID);
    volatile unsigned long work = 0;
    start = now(CLOCK_MONOTONIC);
    while (now(CLOCK_MONOTONIC) - start < 50000000)
        for (int i = 0; i < 1000; i++)
            work += i;
    CHECK(now(CLOCK_PROCESS_CPUTIME_ID) > used);
    printf("cpu time ok\n");
    return 0;
}
