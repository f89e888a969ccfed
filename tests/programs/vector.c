/* Vector registers: SSE, and AVX, AVX2 and AVX-512 where the processor has them, keep their values
 * across system calls and page faults, and compute what scalar code computes. */
#include "check.h"

#include <immintrin.h>
#include <sys/mman.h>
#include <time.h>

enum { COUNT = 1 << 16 };
static float left[COUNT], right[COUNT], expected[COUNT], result[COUNT] __attribute__((aligned(64)));

static void sse(void)
{
    for (int i = 0; i < COUNT; i += 4)
        _mm_store_ps(result + i, _mm_add_ps(_mm_mul_ps(_mm_loadu_ps(left + i), _mm_loadu_ps(right + i)),
                                            _mm_set1_ps(1)));
}

__attribute__((target("avx"))) static void avx(void)
{
    for (int i = 0; i < COUNT; i += 8)
        _mm256_store_ps(result + i,
                        _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(left + i), _mm256_loadu_ps(right + i)),
                                      _mm256_set1_ps(1)));
}

__attribute__((target("avx2"))) static void avx2(void)
{
    for (int i = 0; i < COUNT; i += 8) {
        __m256i a = _mm256_cvttps_epi32(_mm256_loadu_ps(left + i));
        __m256i b = _mm256_cvttps_epi32(_mm256_loadu_ps(right + i));
        __m256i sum = _mm256_add_epi32(_mm256_mullo_epi32(a, b), _mm256_set1_epi32(1));
        _mm256_store_ps(result + i, _mm256_cvtepi32_ps(sum));
    }
}

__attribute__((target("avx512f"))) static void avx512(void)
{
    for (int i = 0; i < COUNT; i += 16)
        _mm512_store_ps(result + i,
                        _mm512_add_ps(_mm512_mul_ps(_mm512_loadu_ps(left + i), _mm512_loadu_ps(right + i)),
                                      _mm512_set1_ps(1)));
}

/* All 16 registers hold their values over a system call and the first touch of a page. */
__attribute__((noinline)) static void registers_survive(void)
{
    unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    unsigned long before[16][2], after[16][2];
    for (int i = 0; i < 16; i++)
        before[i][0] = 0x1111111111111111ul * i, before[i][1] = ~before[i][0];
    long number = 39; /* getpid */
    __asm__ volatile(
        "movdqu 0(%[from]), %%xmm0\n movdqu 16(%[from]), %%xmm1\n movdqu 32(%[from]), %%xmm2\n"
        "movdqu 48(%[from]), %%xmm3\n movdqu 64(%[from]), %%xmm4\n movdqu 80(%[from]), %%xmm5\n"
        "movdqu 96(%[from]), %%xmm6\n movdqu 112(%[from]), %%xmm7\n movdqu 128(%[from]), %%xmm8\n"
        "movdqu 144(%[from]), %%xmm9\n movdqu 160(%[from]), %%xmm10\n movdqu 176(%[from]), %%xmm11\n"
        "movdqu 192(%[from]), %%xmm12\n movdqu 208(%[from]), %%xmm13\n movdqu 224(%[from]), %%xmm14\n"
        "movdqu 240(%[from]), %%xmm15\n"
        "syscall\n"
        "movb $1, (%[page])\n"
        "movdqu %%xmm0, 0(%[to])\n movdqu %%xmm1, 16(%[to])\n movdqu %%xmm2, 32(%[to])\n"
        "movdqu %%xmm3, 48(%[to])\n movdqu %%xmm4, 64(%[to])\n movdqu %%xmm5, 80(%[to])\n"
        "movdqu %%xmm6, 96(%[to])\n movdqu %%xmm7, 112(%[to])\n movdqu %%xmm8, 128(%[to])\n"
        "movdqu %%xmm9, 144(%[to])\n movdqu %%xmm10, 160(%[to])\n movdqu %%xmm11, 176(%[to])\n"
        "movdqu %%xmm12, 192(%[to])\n movdqu %%xmm13, 208(%[to])\n movdqu %%xmm14, 224(%[to])\n"
        "movdqu %%xmm15, 240(%[to])\n"
        : "+a"(number)
        : [from] "r"(before), [to] "r"(after), [page] "r"(page)
        : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
          "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    CHECK(memcmp(before, after, sizeof before) == 0);
    printf("registers ok\n");
}

/* The upper halves too. */
__attribute__((target("avx"), noinline)) static void wide_registers_survive(void)
{
    unsigned long before[4] = {1, 2, 3, 4}, after[4];
    long number = 39;
    __asm__ volatile("vmovdqu (%[from]), %%ymm7\n syscall\n vmovdqu %%ymm7, (%[to])\n vzeroupper"
                     : "+a"(number)
                     : [from] "r"(before), [to] "r"(after)
                     : "rcx", "r11", "memory", "ymm7");
    CHECK(memcmp(before, after, sizeof before) == 0);
}

static void run(const char *name, int available, void (*function)(void))
{
    memset(result, 0, sizeof result);
    if (available) {
        function();
        CHECK(memcmp(result, expected, sizeof result) == 0);
    }
    /* The same words whether or not it is available, so that outputs compare. */
    printf("%s agrees\n", name);
}

int main(void)
{
    __builtin_cpu_init();
    for (int i = 0; i < COUNT; i++) {
        left[i] = i % 1000, right[i] = i % 777;
        expected[i] = (float)((i % 1000) * (i % 777)) + 1;
    }
    run("sse", 1, sse);
    run("avx", __builtin_cpu_supports("avx"), avx);
    run("avx2", __builtin_cpu_supports("avx2"), avx2);
    run("avx512", __builtin_cpu_supports("avx512f"), avx512);
    registers_survive();
    if (__builtin_cpu_supports("avx"))
        wide_registers_survive();
    printf("%016lx\n", checksum(CHECKSUM_START, expected, sizeof expected));
    return 0;
}
