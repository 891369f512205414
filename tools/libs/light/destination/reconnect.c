/* SPDX-License-Identifier: LGPL-2.1-or-later
 * How another connection gets to the call that receives a migration.
 *
 *   the process that accepted it         the call that receives
 *   identity, two descriptors  ------>   keeps them until it needs them
 *                              <------   TAKEN
 *                              <------   the end: it is done with them
 *
 * The end without TAKEN says that the end of the migration had been noted
 * before. A fault channel or a stream is taken at once, and sends a word
 * before its identity.
 */
#include "destination/reconnect.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeping/memo.h"

#define TAKEN 'T'
#define BACKLOG 8
/* A process that connects sends its message at once: seconds are plenty. */
#define GREETING_MS 5000

/* A connection to a source, and one to the process that has brought it. */
struct link {
    int recv_fd;
    int send_fd;
    int from_fd;
};

/* The word; a stream's last octet is its number.  A recovery sends none. */
#define WORD_OCTETS 8
static const char words[][WORD_OCTETS] = {
    [XLM_FOR_FAULTS] = "faults",
    [XLM_FOR_STREAM] = "stream",
};

#define NO_LINK ((struct link){.recv_fd = -1, .send_fd = -1, .from_fd = -1})

struct lm_reconnect {
    struct xlm_identity identity;
    int directory;
    int listen_fd;
    int stop_fd;
    int event_fd;
    int abort_event_fd; /* the caller's */
    pthread_t thread;
    struct link used; /* used by the caller's thread */

    pthread_mutex_t lock;
    struct link waiting;
    struct link faults;
    bool faults_closed; /* the guest runs: no channel can join any more */
    struct link streams[XLM_STREAMS_MOST]; /* by number */
};

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

static void close_link(struct link *link)
{
    close_fd(&link->recv_fd);
    close_fd(&link->send_fd);
    /* last, because it says that the others are closed */
    close_fd(&link->from_fd);
}

/* ---- what is said ---- */

union rights {
    struct cmsghdr header;
    char octets[CMSG_SPACE(2 * sizeof(int))];
};

/* Returns its length. */
static size_t make_word(const struct xlm_errand *errand,
                        char word[WORD_OCTETS])
{
    if (errand->purpose == XLM_FOR_RECOVERY) {
        return 0;
    }
    memcpy(word, words[errand->purpose], WORD_OCTETS);
    if (errand->purpose == XLM_FOR_STREAM) {
        word[WORD_OCTETS - 1] = (char)errand->stream;
    }
    return WORD_OCTETS;
}

static int send_link(int fd, const struct xlm_identity *identity,
                     const struct xlm_errand *errand, int recv_fd, int send_fd)
{
    char word[WORD_OCTETS];
    size_t length = make_word(errand, word);
    struct iovec parts[] = {
        {word, length},
        {(void *)identity, sizeof(*identity)},
    };
    const int fds[] = {recv_fd, send_fd};
    union rights rights = {.octets = ""};
    struct msghdr message = {
        .msg_iov = parts,
        .msg_iovlen = 2,
        .msg_control = &rights,
        .msg_controllen = sizeof(rights),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(fds));
    memcpy(CMSG_DATA(header), fds, sizeof(fds));
    return sendmsg(fd, &message, MSG_NOSIGNAL) ==
                   (ssize_t)(length + sizeof(*identity))
               ? 0
               : -1;
}

static bool parse_word(const char *word, struct xlm_errand *errand)
{
    if (!memcmp(word, words[XLM_FOR_FAULTS], WORD_OCTETS)) {
        errand->purpose = XLM_FOR_FAULTS;
        return true;
    }
    errand->purpose = XLM_FOR_STREAM;
    errand->stream = (unsigned char)word[WORD_OCTETS - 1];
    return !memcmp(word, words[XLM_FOR_STREAM], WORD_OCTETS - 1) &&
           errand->stream && errand->stream < XLM_STREAMS_MOST;
}

/* What the connection is for, if it is for this migration at all. */
static bool parse_greeting(const struct lm_reconnect *reconnect,
                           const char *octets, size_t length,
                           struct xlm_errand *errand)
{
    struct xlm_identity identity;
    size_t word = length == sizeof(identity) ? 0 : WORD_OCTETS;

    *errand = (struct xlm_errand){.purpose = XLM_FOR_RECOVERY};
    if (length != word + sizeof(identity) ||
        (word && !parse_word(octets, errand))) {
        return false;
    }
    memcpy(&identity, octets + word, sizeof(identity));
    return xlm_is_same(&identity, &reconnect->identity);
}

/* A bad message may also bring descriptors: they are in the link. */
static bool receive_link(struct lm_reconnect *reconnect, struct link *link,
                         struct xlm_errand *errand)
{
    char octets[WORD_OCTETS + sizeof(struct xlm_identity)];
    struct iovec part = {octets, sizeof(octets)};
    union rights rights = {.octets = ""};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &rights,
        .msg_controllen = sizeof(rights),
    };
    struct pollfd poller = {.fd = link->from_fd, .events = POLLIN};
    struct cmsghdr *header;
    ssize_t got;
    int fds[2];

    if (poll(&poller, 1, GREETING_MS) <= 0) {
        return false;
    }
    got = recvmsg(link->from_fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    header = got >= 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (!header || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(sizeof(fds))) {
        return false;
    }
    memcpy(fds, CMSG_DATA(header), sizeof(fds));
    link->recv_fd = fds[0];
    link->send_fd = fds[1];
    return parse_greeting(reconnect, octets, got, errand);
}

/* ---- the thread ---- */

/* The process that brought it may have gone; the connection says so, too. */
static void say_taken(const struct link *link)
{
    const char word = TAKEN;

    (void)send(link->from_fd, &word, 1, MSG_NOSIGNAL);
}

/* The place that keeps it; NULL: the connection cannot join any more. */
static struct link *place_for(struct lm_reconnect *reconnect,
                              const struct xlm_errand *errand)
{
    if (errand->purpose == XLM_FOR_STREAM) {
        return &reconnect->streams[errand->stream];
    }
    return reconnect->faults_closed ? NULL : &reconnect->faults;
}

/* The first one is kept, and nothing waits for it. */
static void take_further(struct lm_reconnect *reconnect, struct link *link,
                         const struct xlm_errand *errand)
{
    struct link *place;
    bool wanted;

    pthread_mutex_lock(&reconnect->lock);
    place = place_for(reconnect, errand);
    wanted = place && place->from_fd < 0;
    if (wanted) {
        *place = *link;
        say_taken(link);
    }
    pthread_mutex_unlock(&reconnect->lock);
    if (!wanted) {
        close_link(link);
    }
}

static void take_visitor(struct lm_reconnect *reconnect)
{
    struct link link = NO_LINK, before;
    struct xlm_errand errand;

    link.from_fd = accept4(reconnect->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (link.from_fd < 0) {
        return;
    }
    if (!receive_link(reconnect, &link, &errand)) {
        close_link(&link);
        return;
    }
    if (errand.purpose != XLM_FOR_RECOVERY) {
        take_further(reconnect, &link, &errand);
        return;
    }
    pthread_mutex_lock(&reconnect->lock);
    before = reconnect->waiting;
    reconnect->waiting = link;
    eventfd_write(reconnect->event_fd, 1);
    pthread_mutex_unlock(&reconnect->lock);
    close_link(&before);
    if (reconnect->abort_event_fd >= 0) {
        eventfd_write(reconnect->abort_event_fd, 1);
    }
}

static void *run(void *data)
{
    struct lm_reconnect *reconnect = data;
    struct pollfd pollers[] = {
        {.fd = reconnect->listen_fd, .events = POLLIN},
        {.fd = reconnect->stop_fd, .events = POLLIN},
    };

    while (!pollers[1].revents) {
        if (poll(pollers, 2, -1) > 0 && pollers[0].revents) {
            take_visitor(reconnect);
        }
    }
    return NULL;
}

/* The process's signals are for its own threads. */
static int start_thread(struct lm_reconnect *reconnect)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&reconnect->thread, NULL, run, reconnect);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return error ? -1 : 0;
}

/* ---- the call that receives ---- */

static int listen_at_address(struct lm_reconnect *reconnect)
{
    struct sockaddr_un address;

    reconnect->directory = lm_memo_open();
    if (reconnect->directory < 0) {
        return -1;
    }
    reconnect->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (reconnect->listen_fd < 0) {
        return -1;
    }
    lm_memo_address(reconnect->directory, reconnect->identity.id, &address);
    /* A former receiver with this address was killed. */
    lm_memo_remove_address(reconnect->directory, reconnect->identity.id);
    if (bind(reconnect->listen_fd, (struct sockaddr *)&address,
             sizeof(address))) {
        return -1;
    }
    return listen(reconnect->listen_fd, BACKLOG);
}

static void dispose(struct lm_reconnect *reconnect)
{
    int saved_errno = errno;

    close_fd(&reconnect->listen_fd);
    close_fd(&reconnect->directory);
    close_fd(&reconnect->stop_fd);
    close_fd(&reconnect->event_fd);
    pthread_mutex_destroy(&reconnect->lock);
    free(reconnect);
    errno = saved_errno;
}

struct lm_reconnect *lm_reconnect_open(const struct xlm_identity *identity,
                                       int abort_event_fd)
{
    struct lm_reconnect *reconnect = malloc(sizeof(*reconnect));

    if (!reconnect) {
        return NULL;
    }
    *reconnect = (struct lm_reconnect){
        .identity = *identity,
        .directory = -1,
        .listen_fd = -1,
        .stop_fd = eventfd(0, EFD_CLOEXEC),
        .event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .abort_event_fd = abort_event_fd,
        .used = NO_LINK,
        .waiting = NO_LINK,
        .faults = NO_LINK,
    };
    for (size_t i = 0; i < XLM_STREAMS_MOST; i++) {
        reconnect->streams[i] = NO_LINK;
    }
    pthread_mutex_init(&reconnect->lock, NULL);
    if (reconnect->stop_fd < 0 || reconnect->event_fd < 0 ||
        listen_at_address(reconnect)) {
        dispose(reconnect);
        return NULL;
    }
    if (start_thread(reconnect)) {
        lm_memo_remove_address(reconnect->directory, identity->id);
        dispose(reconnect);
        return NULL;
    }
    return reconnect;
}

int lm_reconnect_fd(const struct lm_reconnect *reconnect)
{
    return reconnect->event_fd;
}

int lm_reconnect_take(struct lm_reconnect *reconnect, int timeout_ms,
                      int *recv_fd, int *send_fd)
{
    struct pollfd poller = {.fd = reconnect->event_fd, .events = POLLIN};
    eventfd_t events;

    close_link(&reconnect->used);
    poll(&poller, 1, timeout_ms);
    pthread_mutex_lock(&reconnect->lock);
    eventfd_read(reconnect->event_fd, &events);
    reconnect->used = reconnect->waiting;
    reconnect->waiting = NO_LINK;
    pthread_mutex_unlock(&reconnect->lock);
    if (reconnect->used.from_fd < 0) {
        return 1;
    }
    say_taken(&reconnect->used);
    *recv_fd = reconnect->used.recv_fd;
    *send_fd = reconnect->used.send_fd;
    return 0;
}

int lm_reconnect_take_faults(struct lm_reconnect *reconnect, int *recv_fd,
                             int *send_fd)
{
    bool joined;

    pthread_mutex_lock(&reconnect->lock);
    reconnect->faults_closed = true;
    joined = reconnect->faults.from_fd >= 0;
    *recv_fd = reconnect->faults.recv_fd;
    *send_fd = reconnect->faults.send_fd;
    pthread_mutex_unlock(&reconnect->lock);
    return joined ? 0 : 1;
}

void lm_reconnect_drop_faults(struct lm_reconnect *reconnect)
{
    pthread_mutex_lock(&reconnect->lock);
    close_link(&reconnect->faults);
    pthread_mutex_unlock(&reconnect->lock);
}

int lm_reconnect_take_stream(struct lm_reconnect *reconnect, uint32_t index,
                             int *recv_fd, int *send_fd)
{
    bool joined;

    pthread_mutex_lock(&reconnect->lock);
    joined = reconnect->streams[index].from_fd >= 0;
    *recv_fd = reconnect->streams[index].recv_fd;
    *send_fd = reconnect->streams[index].send_fd;
    pthread_mutex_unlock(&reconnect->lock);
    return joined ? 0 : 1;
}

void lm_reconnect_drop_streams(struct lm_reconnect *reconnect)
{
    pthread_mutex_lock(&reconnect->lock);
    for (size_t i = 0; i < XLM_STREAMS_MOST; i++) {
        close_link(&reconnect->streams[i]);
    }
    pthread_mutex_unlock(&reconnect->lock);
}

void lm_reconnect_close(struct lm_reconnect *reconnect)
{
    if (!reconnect) {
        return;
    }
    lm_memo_remove_address(reconnect->directory, reconnect->identity.id);
    eventfd_write(reconnect->stop_fd, 1);
    pthread_join(reconnect->thread, NULL);
    close_link(&reconnect->used);
    close_link(&reconnect->waiting);
    close_link(&reconnect->faults);
    lm_reconnect_drop_streams(reconnect);
    dispose(reconnect);
}

/* ---- who has accepted a connection ---- */

static int connect_to(const struct xlm_identity *identity)
{
    int directory = lm_memo_open();
    struct sockaddr_un address;
    int fd;

    if (directory < 0) {
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    lm_memo_address(directory, identity->id, &address);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        close_fd(&fd);
    }
    close(directory);
    return fd;
}

/* The next octet, or 0 when the connection has ended. */
static char next_word(int fd)
{
    char word;
    ssize_t got;

    do {
        got = recv(fd, &word, 1, 0);
    } while (got < 0 && errno == EINTR);
    return got == 1 ? word : 0;
}

int lm_reconnect_hand_over(const struct xlm_identity *identity,
                           const struct xlm_errand *errand, int recv_fd,
                           int send_fd)
{
    int fd = connect_to(identity);

    if (fd >= 0 && (send_link(fd, identity, errand, recv_fd, send_fd) ||
                    next_word(fd) != TAKEN)) {
        close_fd(&fd);
    }
    return fd;
}

void lm_reconnect_await_end(int taken)
{
    while (next_word(taken)) {
        continue;
    }
    close(taken);
}
