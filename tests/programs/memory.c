/* Memory calls: mappings large and small, holes, protection, growth, and the heap's end. */
#include "check.h"

#include <sys/mman.h>

#define PAGE 4096ul
#define MIB (1ul << 20)

static unsigned char *map(size_t size)
{
    void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(start != MAP_FAILED && (unsigned long)start % PAGE == 0);
    return start;
}

static void fill(unsigned char *start, size_t size, unsigned seed)
{
    for (size_t at = 0; at < size; at += PAGE)
        *(unsigned long *)(start + at) = at * 2654435761ul + seed;
}

static int holds(unsigned char *start, size_t size, unsigned seed)
{
    for (size_t at = 0; at < size; at += PAGE)
        if (*(unsigned long *)(start + at) != at * 2654435761ul + seed)
            return 0;
    return 1;
}

static int zero(unsigned char *start, size_t size)
{
    for (size_t at = 0; at < size; at += 512)
        if (start[at] != 0)
            return 0;
    return 1;
}

static void mappings(void)
{
    unsigned char *big = map(64 * MIB);
    CHECK(zero(big, 64 * MIB));
    fill(big, 64 * MIB, 1);
    CHECK(holds(big, 64 * MIB, 1));

    /* A hole in the middle; what is around it stays. */
    CHECK(munmap(big + 16 * MIB, 16 * MIB) == 0);
    CHECK(holds(big, 16 * MIB, 1) && *(unsigned long *)(big + 32 * MIB) == 32 * MIB * 2654435761ul + 1);
    /* The hole can be mapped again, at that place, and is zero. */
    void *again = mmap(big + 16 * MIB, 16 * MIB, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(again == big + 16 * MIB && zero(again, 16 * MIB));
    CHECK(munmap(big, 64 * MIB) == 0);

    /* Much address space costs nothing until it is touched. */
    unsigned char *vast = mmap(NULL, 1ul << 36, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(vast != MAP_FAILED);
    for (unsigned long at = 0; at < 1ul << 36; at += 1ul << 30)
        vast[at] = 7;
    CHECK(vast[1ul << 35] == 7 && vast[(1ul << 35) + PAGE] == 0);
    CHECK(munmap(vast, 1ul << 36) == 0);

    /* Memory given back can be had again, far more often than there is memory. */
    for (int turn = 0; turn < 40; turn++) {
        unsigned char *block = map(32 * MIB);
        CHECK(zero(block, MIB));
        fill(block, 32 * MIB, turn);
        CHECK(holds(block, 32 * MIB, turn) && munmap(block, 32 * MIB) == 0);
    }

    /* Many small ones, freed out of order. */
    static unsigned char *small[1000];
    for (int i = 0; i < 1000; i++) {
        small[i] = map(PAGE * (i % 3 + 1));
        fill(small[i], PAGE * (i % 3 + 1), i);
    }
    for (int i = 0; i < 1000; i++) {
        int pick = i * 7 % 1000;
        CHECK(holds(small[pick], PAGE * (pick % 3 + 1), pick));
        CHECK(munmap(small[pick], PAGE * (pick % 3 + 1)) == 0);
    }
    CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
    printf("mappings ok\n");
}

static void protection(void)
{
    unsigned char *block = map(8 * PAGE);
    fill(block, 8 * PAGE, 3);
    CHECK(mprotect(block + PAGE, 2 * PAGE, PROT_READ) == 0);
    CHECK(holds(block, 8 * PAGE, 3));
    CHECK(mprotect(block, 8 * PAGE, PROT_NONE) == 0);
    CHECK(mprotect(block, 8 * PAGE, PROT_READ | PROT_WRITE) == 0);
    CHECK(holds(block, 8 * PAGE, 3));
    fill(block, 8 * PAGE, 4);
    CHECK(holds(block, 8 * PAGE, 4));

    /* Code written at run time. */
    static const unsigned char return_42[] = {0xb8, 42, 0, 0, 0, 0xc3};
    memcpy(block, return_42, sizeof return_42);
    CHECK(mprotect(block, PAGE, PROT_READ | PROT_EXEC) == 0);
    CHECK(((int (*)(void))block)() == 42);
    CHECK(munmap(block, 8 * PAGE) == 0);
    CHECK(mprotect(block, PAGE, PROT_READ) == -1 && errno == ENOMEM);
    printf("protection ok\n");
}

static void growth(void)
{
    unsigned char *block = map(MIB);
    fill(block, MIB, 5);
    block = mremap(block, MIB, 20 * MIB, MREMAP_MAYMOVE);
    CHECK(block != MAP_FAILED && holds(block, MIB, 5) && zero(block + MIB, 19 * MIB));
    fill(block, 20 * MIB, 6);
    /* Shrinking never moves. */
    CHECK(mremap(block, 20 * MIB, 2 * MIB, 0) == block && holds(block, 2 * MIB, 6));
    CHECK(munmap(block, 2 * MIB) == 0);

    /* realloc of large blocks is mremap underneath. */
    unsigned char *heap = NULL;
    for (size_t size = PAGE; size <= 32 * MIB; size *= 2) {
        heap = realloc(heap, size);
        CHECK(heap != NULL);
        memset(heap + size / 2, (unsigned char)(size >> 12), size / 2);
    }
    CHECK(heap[32 * MIB - 1] == (unsigned char)(32 * MIB >> 12) && heap[3 * MIB] == (unsigned char)(4 * MIB >> 12));
    free(heap);

    unsigned char *end = sbrk(0);
    CHECK(sbrk(3 * MIB) == end && zero(end, 3 * MIB));
    fill(end, 3 * MIB - PAGE, 7);
    CHECK(holds(end, 3 * MIB - PAGE, 7));
    CHECK(sbrk(-(long)(3 * MIB)) == end + 3 * MIB && sbrk(0) == end);
    printf("growth ok\n");
}

static void advice(void)
{
    unsigned char *block = map(4 * MIB);
    fill(block, 4 * MIB, 8);
    CHECK(madvise(block + MIB, MIB, MADV_DONTNEED) == 0);
    CHECK(zero(block + MIB, MIB) && holds(block, MIB, 8));
    CHECK(*(unsigned long *)(block + 3 * MIB) == 3 * MIB * 2654435761ul + 8);
    CHECK(munmap(block, 4 * MIB) == 0);
    printf("advice ok\n");
}

/* A recursion deep enough to need many pages of stack, each touched for the first time. */
static unsigned long deep(unsigned depth)
{
    volatile unsigned char frame[PAGE];
    frame[0] = depth, frame[PAGE - 1] = depth;
    unsigned long below = depth == 0 ? 0 : deep(depth - 1);
    return below + frame[0] + frame[PAGE - 1];
}

int main(void)
{
    mappings();
    protection();
    growth();
    advice();
    printf("stack %lu\n", deep(1500));
    return 0;
}
