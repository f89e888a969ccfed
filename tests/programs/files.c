/* File system calls: their effects, and the reasons of their failures. */
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

static void put(const char *name, const char *text)
{
    int file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(file >= 0);
    CHECK(write(file, text, strlen(text)) == (ssize_t)strlen(text));
    CHECK(close(file) == 0);
}

static void show(const char *name)
{
    char text[200];
    int file = open(name, O_RDONLY);
    CHECK(file >= 0);
    ssize_t length = read(file, text, sizeof text - 1);
    CHECK(length >= 0 && close(file) == 0);
    text[length] = 0;
    printf("%s: \"%s\"\n", name, text);
}

static void folders_and_names(void)
{
    CHECK(mkdir("folder", 0755) == 0);
    put("folder/one", "first");
    CHECK(rename("folder/one", "folder/two") == 0);
    CHECK(access("folder/one", F_OK) == -1 && access("folder/two", R_OK | W_OK) == 0);
    put("target", "to be replaced");
    CHECK(rename("folder/two", "target") == 0);
    show("target");
    CHECK(mkdir("folder/deep", 0755) == 0 && rename("folder/deep", "moved") == 0);
    CHECK(chdir("moved") == 0);
    put("../target", "by way of dot dot");
    CHECK(chdir("..") == 0);
    show("./moved/../target");
    char where[200];
    CHECK(getcwd(where, sizeof where) != NULL && strncmp(where, "/tmp/", 5) == 0);
    CHECK(rmdir("moved") == 0);

    put("file", "x");
    put("folder/inside", "x");
    CHECK_ERROR(open("absent", O_RDONLY), ENOENT);
    CHECK_ERROR(open("absent/file", O_RDWR | O_CREAT, 0644), ENOENT);
    CHECK_ERROR(open("file", O_RDWR | O_CREAT | O_EXCL, 0644), EEXIST);
    CHECK_ERROR(open("file/below", O_RDONLY), ENOTDIR);
    CHECK_ERROR(open("folder", O_WRONLY), EISDIR);
    CHECK_ERROR(open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_ERROR(mkdir("folder", 0755), EEXIST);
    CHECK_ERROR(mkdir("absent/below", 0755), ENOENT);
    CHECK_ERROR(rmdir("folder"), ENOTEMPTY);
    CHECK_ERROR(rmdir("file"), ENOTDIR);
    CHECK_ERROR(rmdir("absent"), ENOENT);
    CHECK_ERROR(unlink("absent"), ENOENT);
    CHECK_ERROR(rename("absent", "other"), ENOENT);
    CHECK_ERROR(rename("file", "folder"), EISDIR);
    CHECK_ERROR(chdir("file"), ENOTDIR);
    CHECK_ERROR(read(99, where, 1), EBADF);
    CHECK_ERROR(close(99), EBADF);
    CHECK_ERROR(lseek(0, 0, 77), EINVAL);
    CHECK(unlink("folder/inside") == 0 && rmdir("folder") == 0);
    CHECK(unlink("file") == 0 && unlink("target") == 0);
}

static void reading_and_writing(void)
{
    char text[100] = "";
    int file = open("data", O_RDWR | O_CREAT, 0640);
    CHECK(file >= 0);
    CHECK(write(file, "0123456789", 10) == 10);
    CHECK(lseek(file, 3, SEEK_SET) == 3 && write(file, "abc", 3) == 3);
    CHECK(pread(file, text, 4, 2) == 4 && lseek(file, 0, SEEK_CUR) == 6);
    printf("pread %s\n", text);
    CHECK(pwrite(file, "Z", 1, 9) == 1);
    struct iovec parts[2] = {{"one ", 4}, {"two", 3}};
    CHECK(lseek(file, 0, SEEK_END) == 10 && writev(file, parts, 2) == 7);
    /* A hole reads as zeros. */
    CHECK(lseek(file, 5000, SEEK_SET) == 5000 && write(file, "end", 3) == 3);
    CHECK(pread(file, text, 1, 4000) == 1 && text[0] == 0);
    struct stat facts;
    CHECK(fstat(file, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size == 5003);
    CHECK((facts.st_mode & 0777) == 0640 && facts.st_nlink == 1);
    CHECK(ftruncate(file, 17) == 0 && fstat(file, &facts) == 0 && facts.st_size == 17);
    CHECK(lseek(file, 0, SEEK_SET) == 0 && close(file) == 0);
    show("data");
    CHECK(truncate("data", 4) == 0);
    show("data");

    file = open("data", O_WRONLY | O_APPEND);
    CHECK(file >= 0 && lseek(file, 0, SEEK_SET) == 0 && write(file, "+more", 5) == 5);
    CHECK_ERROR(read(file, text, 1), EBADF);
    CHECK(close(file) == 0);
    show("data");
    file = open("data", O_RDONLY);
    CHECK(file >= 0);
    CHECK_ERROR(write(file, "x", 1), EBADF);
    CHECK(close(file) == 0);

    /* A large file, written and read by pieces that are no multiple of a page. */
    static char piece[5000];
    unsigned long hash = CHECKSUM_START, again = CHECKSUM_START;
    file = open("large", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < 800; i++) {
        memset(piece, i, sizeof piece);
        CHECK(write(file, piece, sizeof piece) == sizeof piece);
        hash = checksum(hash, piece, sizeof piece);
    }
    CHECK(lseek(file, 0, SEEK_SET) == 0);
    for (ssize_t got; (got = read(file, piece, 4999)) > 0;)
        again = checksum(again, piece, got);
    CHECK(hash == again && close(file) == 0 && unlink("large") == 0);
    printf("large %016lx\n", hash);

    /* An open file outlives its name. */
    file = open("data", O_RDWR);
    CHECK(file >= 0 && unlink("data") == 0);
    CHECK(access("data", F_OK) == -1 && pread(file, text, 4, 0) == 4);
    CHECK(fstat(file, &facts) == 0 && facts.st_nlink == 0);
    CHECK(write(file, "late", 4) == 4 && close(file) == 0);
}

static void links_and_facts(void)
{
    char text[100] = "";
    struct stat facts, same;
    put("file", "content");
    CHECK(symlink("file", "link") == 0 && symlink("nowhere", "dangling") == 0 && symlink("loop", "loop") == 0);
    show("link");
    CHECK(readlink("link", text, sizeof text) == 4 && strncmp(text, "file", 4) == 0);
    CHECK(lstat("link", &facts) == 0 && S_ISLNK(facts.st_mode) && facts.st_size == 4);
    CHECK(stat("link", &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size == 7);
    CHECK(stat("file", &same) == 0 && same.st_ino == facts.st_ino && same.st_dev == facts.st_dev);
    CHECK_ERROR(open("dangling", O_RDONLY), ENOENT);
    CHECK_ERROR(open("loop", O_RDONLY), ELOOP);
    CHECK_ERROR(readlink("file", text, sizeof text), EINVAL);
    CHECK_ERROR(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK(chmod("file", 0400) == 0 && stat("file", &facts) == 0 && (facts.st_mode & 0777) == 0400);
    CHECK(stat(".", &facts) == 0 && S_ISDIR(facts.st_mode));
    CHECK(stat("/dev/null", &facts) == 0 && S_ISCHR(facts.st_mode));
    CHECK(unlink("link") == 0 && unlink("dangling") == 0 && unlink("loop") == 0 && unlink("file") == 0);
}

static void descriptors(void)
{
    char text[100] = "";
    int file = open("out", O_RDWR | O_CREAT, 0644);
    CHECK(file >= 0);
    /* Descriptors of one open file share its offset. */
    int twin = dup(file);
    CHECK(twin > file && write(file, "ab", 2) == 2 && lseek(twin, 0, SEEK_CUR) == 2);
    CHECK(close(twin) == 0);

    /* Redirect standard output into the file and back. */
    CHECK(fflush(stdout) == 0);
    int saved = fcntl(1, F_DUPFD_CLOEXEC, 10);
    CHECK(saved >= 10 && fcntl(saved, F_GETFD) == FD_CLOEXEC);
    CHECK(dup2(file, 1) == 1);
    printf("cd");
    CHECK(fflush(stdout) == 0 && dup2(saved, 1) == 1 && close(saved) == 0);
    CHECK(pread(file, text, 10, 0) == 4);
    printf("redirected %s\n", text);
    CHECK((fcntl(file, F_GETFL) & O_ACCMODE) == O_RDWR);
    CHECK(close(file) == 0 && unlink("out") == 0);

    file = open("/dev/null", O_RDWR);
    CHECK(file >= 0 && write(file, "gone", 4) == 4 && read(file, text, 4) == 0 && close(file) == 0);
    file = open("/dev/zero", O_RDONLY);
    memset(text, 1, sizeof text);
    CHECK(file >= 0 && read(file, text, 10) == 10 && text[9] == 0 && text[10] == 1 && close(file) == 0);
    file = open("/dev/urandom", O_RDONLY);
    CHECK(file >= 0 && read(file, text, 50) == 50 && close(file) == 0);
    int zeros = 0;
    for (int i = 0; i < 50; i++)
        zeros += text[i] == 0;
    CHECK(zeros < 10);

    /* Numbers are given from below, and freed by close. */
    int first = open("/dev/null", O_RDONLY);
    int second = open("/dev/null", O_RDONLY);
    CHECK(second == first + 1 && close(first) == 0);
    CHECK(open("/dev/null", O_RDONLY) == first && close(first) == 0 && close(second) == 0);
}

static void mapped(void)
{
    put("mapped", "mapped content");
    int file = open("mapped", O_RDONLY);
    CHECK(file >= 0);
    char *view = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    CHECK(view != MAP_FAILED && close(file) == 0);
    CHECK(strcmp(view, "mapped content") == 0 && view[4095] == 0);
    view[0] = 'M';
    CHECK(munmap(view, 4096) == 0);
    show("mapped");
    CHECK(unlink("mapped") == 0);
}

int main(void)
{
    char scratch[64];
    umask(022);
    enter_scratch(scratch, sizeof scratch);
    folders_and_names();
    reading_and_writing();
    links_and_facts();
    descriptors();
    mapped();
    leave_scratch(scratch);
    printf("done\n");
    return 0;
}
