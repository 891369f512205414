/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Shared by the fuzzers: the peer, whose octets they choose.
 */
#ifndef FUZZ_PEER_H
#define FUZZ_PEER_H

#include <stddef.h>
#include <stdint.h>

#include "xlm.h"

struct fuzz_peer;

/* Sends these octets, then nothing more, and reads all that it gets. */
struct fuzz_peer *fuzz_peer_new(const uint8_t *octets, size_t length);
/* The engine's end. */
int fuzz_peer_fd(struct fuzz_peer *peer);
void fuzz_peer_free(struct fuzz_peer *peer);

/* The octets as a file, for readers that need no answer. */
int fuzz_file(const uint8_t *octets, size_t length);
void fuzz_close(int fd);

/* Sends these octets to the end that connects, and reads all that it sends. */
struct fuzz_speaker;
struct fuzz_speaker *fuzz_speaker_new(int listener, const uint8_t *octets,
                                      size_t length);
void fuzz_speaker_free(struct fuzz_speaker *speaker);

/* A running guest, for ends that send one: it has all pages but one below
 * FUZZ_PFNS, and all of the state. */
#define FUZZ_PFNS 16
struct fake_domain;
struct fake_host;
struct fake_domain *fuzz_guest(struct fake_host *host);

/* A context for a handle on a fake host. */
struct xlm_context fuzz_context(struct xlm_hypervisor *hypervisor);

/* Abort when something that must hold does not. */
void fuzz_require(int holds);

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length);

#endif
