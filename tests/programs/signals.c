/* Signals that a program sends itself, or that its own faults raise, reach its handlers. */
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

static volatile sig_atomic_t seen;
static sigjmp_buf back;
static void *volatile where;

static void note(int number)
{
    seen = seen * 100 + number;
}

static void escape(int number, siginfo_t *info, void *context)
{
    (void)context;
    seen = number;
    where = info->si_addr;
    siglongjmp(back, 1);
}

static void mend(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    seen++;
    CHECK(mprotect((void *)((unsigned long)info->si_addr & ~4095ul), 4096, PROT_READ | PROT_WRITE) == 0);
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    CHECK(sigaction(number, &action, NULL) == 0);
}

static volatile int one = 1;

static int overflow(int depth)
{
    volatile char frame[4000];
    frame[0] = depth;
    return one ? overflow(depth + 1) + frame[0] : 0;
}

int main(void)
{
    CHECK(signal(SIGUSR1, note) == SIG_DFL);
    CHECK(signal(SIGUSR2, note) == SIG_DFL);
    CHECK(raise(SIGUSR1) == 0 && seen == SIGUSR1);
    double before = 1.5 * one;
    CHECK(raise(SIGUSR2) == 0 && seen == SIGUSR1 * 100 + SIGUSR2);
    CHECK(before == 1.5);
    printf("raised\n");

    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    seen = 0;
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && raise(SIGUSR1) == 0 && seen == 0);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0 && seen == SIGUSR1);
    printf("blocked\n");

    handle(SIGSEGV, escape, 0);
    handle(SIGFPE, escape, 0);
    handle(SIGILL, escape, 0);
    if (sigsetjmp(back, 1) == 0)
        *(volatile int *)0x1234 = 1;
    CHECK(seen == SIGSEGV && where == (void *)0x1234);
    if (sigsetjmp(back, 1) == 0)
        __asm__ volatile("ud2");
    CHECK(seen == SIGILL);
    if (sigsetjmp(back, 1) == 0)
        __asm__ volatile("xorl %%edx, %%edx\n movl $1, %%eax\n xorl %%ecx, %%ecx\n divl %%ecx" : : : "eax", "ecx", "edx");
    CHECK(seen == SIGFPE);
    printf("escaped\n");

    /* A handler may mend what was wrong; the instruction then runs again. */
    handle(SIGSEGV, mend, 0);
    volatile int *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    seen = 0;
    page[5] = 42;
    CHECK(page[5] == 42 && seen == 1);
    printf("mended\n");

    /* On a stack of its own, after the main one has overflowed its guard. */
    static char stack[65536];
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    CHECK(sigaltstack(&alternative, NULL) == 0);
    handle(SIGSEGV, escape, SA_ONSTACK);
    if (sigsetjmp(back, 1) == 0)
        overflow(1);
    CHECK(seen == SIGSEGV);
    printf("overflowed\n");
    return 0;
}
