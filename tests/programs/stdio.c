/* The C library at work: formatting, the heap, sorting, files, folders, the calendar, arguments. */
#include "check.h"

#include <dirent.h>
#include <locale.h>
#include <math.h>
#include <sys/stat.h>
#include <time.h>

static unsigned long state = 1;

static unsigned long next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int ascending(const void *left, const void *right)
{
    unsigned long a = *(const unsigned long *)left, b = *(const unsigned long *)right;
    return (a > b) - (a < b);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void formatting(void)
{
    char text[200];
    printf("%d %u %lx %o %c %s %%\n", -42, 42u, 0xdeadbeefcafeul, 8, 'x', "text");
    printf("[%8d] [%-8d] [%08d] [%+d] [%.3s] [%*d]\n", 7, 7, 7, 7, "abcdef", 6, 7);
    printf("%.17g %.3f %e %g %a\n", 0.1, 3.14159, 12345.678, 1e-10, 1.0);
    printf("%f %f %f\n", (double)INFINITY, -(double)INFINITY, nan(""));
    printf("%.40Lg\n", 1.0L / 3.0L);
    volatile size_t room = 5; /* the compiler would warn of a constant */
    CHECK(snprintf(text, room, "%s", "truncated") == 9);
    printf("%s %.10f %.10f %.10f\n", text, sqrt(2.0), sin(1.0), exp(1.0));
    CHECK(strtod("2.5e3", NULL) == 2500.0);
    CHECK(strtol("-0x7f", NULL, 16) == -127);
    int a, b;
    CHECK(sscanf("12 34", "%d %d", &a, &b) == 2 && a == 12 && b == 34);
}

static void heap(void)
{
    enum { BLOCKS = 500 };
    static unsigned char *blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    for (int round = 0; round < 20000; round++) {
        int i = next_random() % BLOCKS;
        if (blocks[i] != NULL) {
            for (size_t at = 0; at < sizes[i]; at += 97)
                CHECK(blocks[i][at] == (unsigned char)i);
        }
        /* Mostly small blocks; some that the C library maps on their own. */
        size_t size = next_random() % (round % 100 == 0 ? 300000 : 2000) + 1;
        if (next_random() % 3 == 0) {
            free(blocks[i]);
            blocks[i] = NULL;
            continue;
        }
        blocks[i] = realloc(blocks[i], size);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], i, size);
        sizes[i] = size;
    }
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    char *zeros = calloc(1000, 1000);
    for (int i = 0; i < 1000000; i++)
        CHECK(zeros[i] == 0);
    free(zeros);
    void *aligned;
    CHECK(posix_memalign(&aligned, 4096, 100) == 0 && (unsigned long)aligned % 4096 == 0);
    free(aligned);
    printf("heap ok\n");
}

static void sorting(void)
{
    enum { COUNT = 20000 };
    static unsigned long numbers[COUNT];
    for (int i = 0; i < COUNT; i++)
        numbers[i] = next_random();
    qsort(numbers, COUNT, sizeof *numbers, ascending);
    for (int i = 1; i < COUNT; i++)
        CHECK(numbers[i - 1] <= numbers[i]);
    CHECK(bsearch(&numbers[777], numbers, COUNT, sizeof *numbers, ascending) != NULL);
    printf("sorted %016lx\n", checksum(CHECKSUM_START, numbers, sizeof numbers));
}

static void files(void)
{
    FILE *file = fopen("data", "w+");
    CHECK(file != NULL);
    for (int i = 0; i < 10000; i++)
        CHECK(fprintf(file, "line %d\n", i) > 0);
    long size = ftell(file);
    CHECK(fseek(file, 7 * 3, SEEK_SET) == 0);
    char line[100];
    CHECK(fgets(line, sizeof line, file) != NULL);
    printf("size %ld, line at 21: %s", size, line);
    rewind(file);
    static char content[200000];
    size_t length = fread(content, 1, sizeof content, file);
    CHECK(feof(file) && !ferror(file) && (long)length == size);
    printf("content %016lx\n", checksum(CHECKSUM_START, content, length));
    CHECK(fseek(file, -5, SEEK_END) == 0);
    CHECK(fwrite("HERE", 1, 4, file) == 4);
    CHECK(fclose(file) == 0);
    file = fopen("data", "a");
    CHECK(file != NULL && fputs("appended\n", file) >= 0 && fclose(file) == 0);
    file = fopen("data", "r");
    CHECK(file != NULL && fseek(file, -14, SEEK_END) == 0);
    while (fgets(line, sizeof line, file) != NULL)
        printf("tail %s", line);
    CHECK(fclose(file) == 0);
    CHECK(fopen("absent", "r") == NULL && errno == ENOENT);
    perror("absent");
    CHECK(remove("data") == 0);
}

static void folders(void)
{
    enum { COUNT = 300 };
    static char *names[COUNT + 2];
    char name[40];
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "a-rather-long-file-name-%03d", i);
        FILE *file = fopen(name, "w");
        CHECK(file != NULL && fclose(file) == 0);
    }
    DIR *folder = opendir(".");
    CHECK(folder != NULL);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        CHECK(count < COUNT + 2);
        names[count++] = strdup(entry->d_name);
    }
    rewinddir(folder);
    CHECK(readdir(folder) != NULL);
    CHECK(closedir(folder) == 0);
    CHECK(count == COUNT + 2);
    qsort(names, count, sizeof *names, by_name);
    printf("%s %s %s %s\n", names[0], names[1], names[2], names[count - 1]);
    for (int i = 0; i < count; i++) {
        if (i >= 2)
            CHECK(unlink(names[i]) == 0);
        free(names[i]);
    }
}

static void calendar(void)
{
    time_t moment = 1700000000;
    char text[100];
    struct tm parts;
    CHECK(gmtime_r(&moment, &parts) != NULL);
    CHECK(strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %a %j %Z", &parts) > 0);
    printf("%s %ld\n", text, (long)timegm(&parts));
}

int main(int argc, char **argv)
{
    char scratch[64];
    CHECK(setlocale(LC_ALL, "C") != NULL);
    for (int i = 1; i < argc; i++)
        printf("argument %d: %s\n", i, argv[i]);
    const char *variable = getenv("ISOBENCH_TEST");
    printf("ISOBENCH_TEST=%s\n", variable ? variable : "(unset)");
    CHECK(setenv("ADDED", "yes", 1) == 0 && strcmp(getenv("ADDED"), "yes") == 0);
    formatting();
    heap();
    sorting();
    enter_scratch(scratch, sizeof scratch);
    files();
    folders();
    leave_scratch(scratch);
    calendar();
    fprintf(stderr, "to standard error\n");
    printf("done\n");
    return 0;
}
