/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz_peer.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_hypervisor.h"
#include "fake_log.h"

struct fuzz_peer {
    const uint8_t *octets;
    size_t length;
    int fds[2];
    pthread_t talker;
    pthread_t listener;
};

static void *talk(void *data)
{
    struct fuzz_peer *peer = data;

    while (peer->length) {
        ssize_t sent =
            send(peer->fds[1], peer->octets, peer->length, MSG_NOSIGNAL);

        if (sent <= 0) {
            break;
        }
        peer->octets += sent;
        peer->length -= (size_t)sent;
    }
    shutdown(peer->fds[1], SHUT_WR);
    return NULL;
}

static void *listen_to_all(void *data)
{
    struct fuzz_peer *peer = data;
    char scratch[4096];

    while (recv(peer->fds[1], scratch, sizeof(scratch), 0) > 0) {
    }
    return NULL;
}

struct fuzz_peer *fuzz_peer_new(const uint8_t *octets, size_t length)
{
    struct fuzz_peer *peer = calloc(1, sizeof(*peer));

    peer->octets = octets;
    peer->length = length;
    fuzz_require(socketpair(AF_UNIX, SOCK_STREAM, 0, peer->fds) == 0);
    fuzz_require(pthread_create(&peer->talker, NULL, talk, peer) == 0);
    fuzz_require(pthread_create(&peer->listener, NULL, listen_to_all, peer) ==
                 0);
    return peer;
}

int fuzz_peer_fd(struct fuzz_peer *peer)
{
    return peer->fds[0];
}

void fuzz_peer_free(struct fuzz_peer *peer)
{
    close(peer->fds[0]);
    pthread_join(peer->talker, NULL);
    pthread_join(peer->listener, NULL);
    close(peer->fds[1]);
    free(peer);
}

int fuzz_file(const uint8_t *octets, size_t length)
{
    int fd = memfd_create("octets", MFD_CLOEXEC);

    fuzz_require(fd >= 0);
    fuzz_require(write(fd, octets, length) == (ssize_t)length);
    fuzz_require(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

void fuzz_close(int fd)
{
    close(fd);
}

struct fuzz_speaker {
    int listener;
    struct fuzz_peer peer;
    pthread_t thread;
};

static void *speak(void *data)
{
    struct fuzz_speaker *speaker = data;
    int fd = accept(speaker->listener, NULL, NULL);

    speaker->peer.fds[1] = fd;
    talk(&speaker->peer);
    listen_to_all(&speaker->peer);
    close(fd);
    return NULL;
}

struct fuzz_speaker *fuzz_speaker_new(int listener, const uint8_t *octets,
                                      size_t length)
{
    struct fuzz_speaker *speaker = calloc(1, sizeof(*speaker));

    speaker->listener = listener;
    speaker->peer.octets = octets;
    speaker->peer.length = length;
    fuzz_require(pthread_create(&speaker->thread, NULL, speak, speaker) == 0);
    return speaker;
}

void fuzz_speaker_free(struct fuzz_speaker *speaker)
{
    pthread_join(speaker->thread, NULL);
    free(speaker);
}

struct fake_domain *fuzz_guest(struct fake_host *host)
{
    struct fake_domain *domain =
        fake_domain_new(host, FUZZ_PFNS, FUZZ_PFNS, 1);
    uint64_t pfn;

    for (pfn = 0; pfn < FUZZ_PFNS; pfn++) {
        if (pfn != 5) {
            fake_page_set(domain, pfn, FAKE_RAM);
        }
    }
    fake_domain_put_state(domain, XLM_STATE_CPUID_POLICY, "c", 1);
    fake_domain_put_state(domain, XLM_STATE_MSR_POLICY, "m", 1);
    fake_domain_put_state(domain, XLM_STATE_TSC_INFO,
                          "0123456789abcdef01234567", 24);
    fake_domain_put_state(domain, XLM_STATE_HVM_CONTEXT, "h", 1);
    fake_domain_run(domain);
    return domain;
}

struct xlm_context fuzz_context(struct xlm_hypervisor *hypervisor)
{
    struct xlm_context ctx = XLM_CONTEXT_INIT;

    ctx.logger = fake_logger();
    ctx.hypervisor = hypervisor;
    return ctx;
}

void fuzz_require(int holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    signal(SIGPIPE, SIG_IGN);
    return 0;
}
