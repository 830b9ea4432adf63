/* Feeds files to a fuzz target: what fuzzing found once is checked by any compiler for ever.
 *
 * usage: TARGET.replay FOLDER-OR-FILE...      a folder that is not there is an empty corpus */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_MAX = 16 << 20, PATH_BYTES = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static unsigned feed_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_MAX);

    if (f == NULL || data == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    size_t len = fread(data, 1, INPUT_MAX, f);
    fclose(f);
    /* Just as long as it is, so that a sanitizer sees a read beyond its end. */
    uint8_t *exact = malloc(len > 0 ? len : 1);
    if (exact == NULL) {
        exit(1);
    }
    memcpy(exact, data, len);
    free(data);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return 1;
}

static unsigned feed(const char *path)
{
    char inside[PATH_BYTES];
    struct dirent **names;
    struct stat st;
    unsigned fed = 0;

    if (stat(path, &st) != 0) {
        return 0;
    }
    if (!S_ISDIR(st.st_mode)) {
        return feed_file(path);
    }
    int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.') {
            snprintf(inside, sizeof inside, "%s/%s", path, names[i]->d_name);
            fed += feed(inside);
        }
        free(names[i]);
    }
    if (n >= 0) {
        free(names);
    }
    return fed;
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/');
    unsigned fed = 0;

    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        fed += feed(argv[i]);
    }
    printf("fuzz-regress: %s: %u inputs, no fault\n", name == NULL ? argv[0] : name + 1, fed);
    return 0;
}
