/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the memory of a measured guest holds.
 */
#include "contents.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "die.h"
#include "policy/page.h"

#define WORDS (XLM_PAGE_SIZE / sizeof(uint64_t))

/* Octets of files, and how many of one file: many kinds, not one large
 * library. */
#define FILES (256u << 20)
#define OF_ONE (4u << 20)
#define OPEN_DIRECTORIES 16

static uint8_t *files; /* NULL: counted */
static size_t files_octets;

/* In the order of the directories: the same on each run of a host. */
static int take_file(const char *path, const struct stat *status, int type,
                     struct FTW *ftw)
{
    ssize_t got = 1;
    size_t end;
    int fd;

    (void)ftw;
    if (type != FTW_F || !S_ISREG(status->st_mode) ||
        (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0) {
        return 0;
    }
    end = files_octets + OF_ONE < FILES ? files_octets + OF_ONE : FILES;
    while (got > 0 && files_octets < end) {
        got = read(fd, files + files_octets, end - files_octets);
        files_octets += got > 0 ? got : 0;
    }
    close(fd);
    return files_octets == FILES;
}

bool contents_choose(const char *name)
{
    if (!strcmp(name, "counted")) {
        return true;
    }
    if (strcmp(name, "mixed")) {
        return false;
    }
    files = malloc(FILES);
    if (!files) {
        die("no memory for contents");
    }
    (void)nftw("/usr/lib", take_file, OPEN_DIRECTORIES, FTW_PHYS);
    (void)nftw("/usr/share", take_file, OPEN_DIRECTORIES, FTW_PHYS);
    if (files_octets < XLM_PAGE_SIZE) {
        die("no files below /usr/lib and /usr/share");
    }
    return true;
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ULL;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebULL;
    return x ^ x >> 31;
}

static void fill_counted(uint64_t *page, uint64_t pfn)
{
    for (size_t i = 0; i < WORDS; i++) {
        page[i] = (pfn + 1) * 0x9e3779b97f4a7c15ULL + i;
    }
}

static void fill_random(uint64_t *page, uint64_t pfn)
{
    for (size_t i = 0; i < WORDS; i++) {
        page[i] = mix(pfn * WORDS + i + 1);
    }
}

static void fill_word(uint64_t *page, uint64_t word)
{
    for (size_t i = 0; i < WORDS; i++) {
        page[i] = word;
    }
}

/* Runs of 16 pages are alike, as they are in a guest. */
void contents_fill(void *page, uint64_t pfn)
{
    uint64_t kind = mix(pfn / 16 + 1) % 20;

    if (!files) {
        fill_counted(page, pfn);
    } else if (kind < 6) {
        fill_word(page, 0);
    } else if (kind < 7) {
        fill_word(page, pfn | UINT64_C(1) << 63);
    } else if (kind < 16) {
        memcpy(page,
               files + pfn % (files_octets / XLM_PAGE_SIZE) * XLM_PAGE_SIZE,
               XLM_PAGE_SIZE);
    } else {
        fill_random(page, pfn);
    }
}
