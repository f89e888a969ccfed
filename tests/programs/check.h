/* What the test programs share: a check that ends the program, and a scratch folder.
 *
 * A program's output must be the same bytes natively, in a container and in a microVM: so no
 * addresses, times, process or inode numbers in it. */
#ifndef CHECK_H
#define CHECK_H

#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            printf("%s:%d: not true: %s (errno %d)\n", __FILE_NAME__, __LINE__, #condition, errno); \
            exit(1); \
        } \
    } while (0)

/* The call must fail, and for this reason. */
#define CHECK_ERROR(call, reason) \
    do { \
        errno = 0; \
        CHECK((call) == -1); \
        CHECK(errno == (reason)); \
        printf("%s: %s\n", #call, strerror(errno)); \
    } while (0)

/* Makes a new, empty folder below /tmp and enters it. */
static inline void enter_scratch(char *name, size_t size)
{
    snprintf(name, size, "/tmp/isobench-test-XXXXXX");
    CHECK(mkdtemp(name) != NULL);
    CHECK(chdir(name) == 0);
}

/* Removes the scratch folder, which must be empty by now. */
static inline void leave_scratch(const char *name)
{
    CHECK(chdir("/") == 0);
    CHECK(rmdir(name) == 0);
}

/* FNV-1a, to stand for more bytes than one wants to print. */
static inline unsigned long checksum(unsigned long hash, const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * 1099511628211ul;
    return hash;
}
#define CHECKSUM_START 14695981039346656037ul

#endif
