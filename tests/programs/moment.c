/* Prints both clocks in nanoseconds, as read by a C library and by system calls. */
#include "check.h"

#include <sys/syscall.h>
#include <time.h>

static long long ns(struct timespec time)
{
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

int main(void)
{
    struct timespec library, call, real;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &library) == 0);
    CHECK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &call) == 0);
    CHECK(clock_gettime(CLOCK_REALTIME, &real) == 0);
    printf("%lld %lld %lld\n", ns(library), ns(call), ns(real));
    return 0;
}
