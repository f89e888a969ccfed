/* Prints the 16 bytes that the kernel gave to this process, 16 of getrandom and 16 of /dev/urandom: a line each. */
#include "check.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/random.h>

static void line(const unsigned char *bytes)
{
    for (int i = 0; i < 16; i++)
        printf("%02x", bytes[i]);
    printf("\n");
}

int main(void)
{
    unsigned char bytes[16] = {0};
    line((const unsigned char *)getauxval(AT_RANDOM));
    CHECK(getrandom(bytes, sizeof bytes, 0) == sizeof bytes);
    line(bytes);
    int file = open("/dev/urandom", O_RDONLY);
    CHECK(read(file, bytes, sizeof bytes) == sizeof bytes);
    line(bytes);
    return 0;
}
