/* Ends in the way that its argument names. Prints "before" first, so that lost output shows. */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

static const int constant[4096] = {1};
static unsigned char data[] = {0xc3}; /* ret */
static volatile int zero = 0;

static int recurse(int depth)
{
    volatile char frame[1000];
    frame[0] = depth;
    return zero ? 0 : recurse(depth + 1) + frame[0];
}

static void *in_thread(void *argument)
{
    return argument;
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    printf("before %s\n", way);
    fflush(stdout);

    if (strcmp(way, "null-read") == 0)
        return *(volatile int *)NULL;
    if (strcmp(way, "null-write") == 0)
        *(volatile int *)NULL = 1;
    if (strcmp(way, "rodata") == 0)
        *(volatile int *)&constant[1000] = 1;
    if (strcmp(way, "nx") == 0)
        ((void (*)(void))data)();
    if (strcmp(way, "gp") == 0)
        return *(volatile int *)0x1234567812345678;
    if (strcmp(way, "kernel-read") == 0)
        return *(volatile int *)0xffffffff81000000;
    if (strcmp(way, "privileged") == 0)
        __asm__ volatile("hlt");
    if (strcmp(way, "port") == 0)
        __asm__ volatile("outb %%al, $0x80" : : "a"(0));
    if (strcmp(way, "ud2") == 0)
        __asm__ volatile("ud2");
    if (strcmp(way, "trap") == 0)
        __asm__ volatile("int3");
    if (strcmp(way, "div0") == 0)
        /* By hand: a compiler may do what it likes with a division by zero. */
        __asm__ volatile("xorl %%edx, %%edx\n movl $1, %%eax\n divl %0" : : "r"(zero) : "eax", "edx");
    if (strcmp(way, "stack") == 0)
        return recurse(0);
    if (strcmp(way, "abort") == 0)
        abort();
    if (strcmp(way, "raise") == 0 && argc > 2)
        raise(atoi(argv[2]));
    if (strcmp(way, "loop") == 0)
        for (;;)
            __asm__ volatile("");
    if (strcmp(way, "exit") == 0)
        _exit(argc > 2 ? atoi(argv[2]) : 0);
    if (strcmp(way, "oom") == 0)
        for (;;) {
            char *block = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (block == MAP_FAILED) {
                printf("refused: %s\n", strerror(errno));
                return 3;
            }
            memset(block, 1, 1 << 20);
        }
    if (strcmp(way, "fork") == 0) {
        pid_t child = fork();
        if (child < 0) {
            printf("fork: %s\n", strerror(errno));
            return 3;
        }
        if (child == 0)
            _exit(7);
        int status;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
        printf("forked\n");
        return 0;
    }
    if (strcmp(way, "thread") == 0) {
        pthread_t thread;
        int error = pthread_create(&thread, NULL, in_thread, NULL);
        if (error != 0) {
            printf("thread: %s\n", strerror(error));
            return 3;
        }
        CHECK(pthread_join(thread, NULL) == 0);
        printf("threaded\n");
        return 0;
    }
    printf("unknown way\n");
    return 2;
}
