#include "fuzz_peer.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include <sys/socket.h>
#include <unistd.h>

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
