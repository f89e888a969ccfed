/* Reads standard input to its end in chunks of odd sizes; prints how much came, and a checksum.
 * With the argument "copy" it copies it to standard output instead. */
#include "check.h"

int main(int argc, char **argv)
{
    static const size_t sizes[] = {1, 7, 4095, 4096, 4097, 65537, 3};
    static char chunk[65537];
    int copy = argc > 1 && strcmp(argv[1], "copy") == 0;
    unsigned long hash = CHECKSUM_START, total = 0;
    for (unsigned turn = 0;; turn++) {
        ssize_t got = read(0, chunk, sizes[turn % (sizeof sizes / sizeof *sizes)]);
        CHECK(got >= 0);
        if (got == 0)
            break;
        hash = checksum(hash, chunk, got);
        total += got;
        for (ssize_t done = 0; copy && done < got;) {
            ssize_t put = write(1, chunk + done, got - done);
            CHECK(put > 0);
            done += put;
        }
    }
    /* The end stays the end. */
    CHECK(read(0, chunk, 1) == 0);
    if (!copy)
        printf("%lu bytes, %016lx\n", total, hash);
    return 0;
}
