/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The memory of a suspended domain, mapped piece by piece.
 */
#include "hypervisor/source_memory.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "policy/pfn_set.h"
#include "wire/wire.h"

/* 256 KiB. */
#define PIECE_PAGES 64
/* Each piece has one possible place in the table.  Pages that are handed out
 * together never compete for a place. */
#define PIECES (XLM_PUSH_ALIGN / PIECE_PAGES)

/* No other program uses these pages: a call that may succeed later is repeated
 * for a minute. */
#define TRIES 6000

struct xlm_source_memory_piece {
    uint64_t number;  /* first pfn / PIECE_PAGES */
    uint8_t *mapping; /* NULL: not in use */
    int errors[PIECE_PAGES];
};

int xlm_source_memory_open(struct xlm_source_memory *memory,
                           struct xlm_hypervisor *hypervisor, uint32_t domid)
{
    memory->pieces = calloc(PIECES, sizeof(*memory->pieces));
    if (!memory->pieces) {
        return -1;
    }
    memory->hypervisor = hypervisor;
    memory->domid = domid;
    return 0;
}

static void unmap_piece(struct xlm_source_memory *memory,
                        struct xlm_source_memory_piece *piece)
{
    if (piece->mapping) {
        memory->hypervisor->ops->unmap(memory->hypervisor, piece->mapping,
                                       PIECE_PAGES);
        piece->mapping = NULL;
    }
}

void xlm_source_memory_close(struct xlm_source_memory *memory)
{
    for (size_t i = 0; memory->pieces && i < PIECES; i++) {
        unmap_piece(memory, &memory->pieces[i]);
    }
    free(memory->pieces);
    *memory = XLM_SOURCE_MEMORY_CLOSED;
}

static int map_piece(struct xlm_source_memory *memory,
                     struct xlm_source_memory_piece *piece, uint64_t number)
{
    uint64_t pfns[PIECE_PAGES];

    unmap_piece(memory, piece);
    for (size_t i = 0; i < PIECE_PAGES; i++) {
        pfns[i] = number * PIECE_PAGES + i;
    }
    piece->mapping =
        memory->hypervisor->ops->map(memory->hypervisor, memory->domid, false,
                                     PIECE_PAGES, pfns, piece->errors);
    piece->number = number;
    return piece->mapping ? 0 : -1;
}

/* 0: the page is mapped in its piece; else an errno. */
static int map_page(struct xlm_source_memory *memory,
                    struct xlm_source_memory_piece *piece, uint64_t pfn)
{
    uint64_t number = pfn / PIECE_PAGES;

    if ((!piece->mapping || piece->number != number) &&
        map_piece(memory, piece, number)) {
        return errno;
    }
    return piece->errors[pfn % PIECE_PAGES];
}

const void *xlm_source_memory_page(struct xlm_source_memory *memory,
                                   uint64_t pfn)
{
    struct xlm_source_memory_piece *piece =
        &memory->pieces[pfn / PIECE_PAGES % PIECES];
    int error = map_page(memory, piece, pfn);

    for (unsigned int i = 1; xlm_try_again(error) && i < TRIES; i++) {
        unmap_piece(memory, piece);
        memory->remapped++;
        poll(NULL, 0, XLM_TRY_AGAIN_PAUSE_MS);
        error = map_page(memory, piece, pfn);
    }
    if (error) {
        errno = error;
        return NULL;
    }
    return piece->mapping + pfn % PIECE_PAGES * XLM_PAGE_SIZE;
}
