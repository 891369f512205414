/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Two hosts with certificates that meet over TCP on the loopback.
 */
#include "fake_tls.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void connect_ends(struct fake_tls *tls)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    tls->client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(!bind(listener, (struct sockaddr *)&address, sizeof(address)) &&
            !listen(listener, 1) &&
            !getsockname(listener, (struct sockaddr *)&address, &length) &&
            !connect(tls->client.fd, (struct sockaddr *)&address, length));
    tls->server.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    require(tls->server.fd >= 0);
    close(listener);
}

static void set_up_end(struct fake_tls *tls, struct fake_end *end,
                       enum xl_tls_end which, const char *name)
{
    const struct fake_certificate named = FAKE_NAMED(name);

    fake_directory_make(end->directory);
    fake_ca_fill(&tls->ca, end->directory, which, &named);
    end->tls = XL_TLS_CLOSED;
    end->plain[0] = end->plain[1] = -1;
    end->rekey_octets = XL_TLS_REKEY_OCTETS;
    end->wishes = (struct xl_tls_wishes){
        .credentials = &end->credentials,
        .deadline = FAKE_NEVER,
        .peers_where = "the list",
    };
}

struct fake_tls *fake_tls_new(void)
{
    struct fake_tls *tls = calloc(1, sizeof(*tls));

    require(tls);
    fake_ca_make(&tls->ca);
    set_up_end(tls, &tls->client, XL_TLS_CLIENT, "source.example");
    set_up_end(tls, &tls->server, XL_TLS_SERVER, "destination.example");
    tls->client.wishes.host = "destination.example";
    connect_ends(tls);
    return tls;
}

static void dispose(struct fake_end *end)
{
    xl_tls_close(&end->tls);
    xl_tls_credentials_free(&end->credentials);
    fake_directory_remove(end->directory);
    if (end->fd >= 0) {
        close(end->fd);
    }
    if (end->plain[0] >= 0) {
        close(end->plain[0]);
    }
}

void fake_tls_free(struct fake_tls *tls)
{
    dispose(&tls->client);
    dispose(&tls->server);
    fake_ca_forget(&tls->ca);
    free(tls);
}

void fake_tls_load(struct fake_tls *tls)
{
    char why[XL_TLS_WHY_MAX];

    require(
        !xl_tls_credentials_load(&tls->client.credentials,
                                 tls->client.directory, XL_TLS_CLIENT, why) &&
        !xl_tls_credentials_load(&tls->server.credentials,
                                 tls->server.directory, XL_TLS_SERVER, why));
}

static void *open_end(void *data)
{
    struct fake_end *end = data;

    end->ret = xl_tls_open(&end->tls, end->fd, &end->wishes);
    return NULL;
}

void fake_tls_meet(struct fake_tls *tls)
{
    require(
        !pthread_create(&tls->server.thread, NULL, open_end, &tls->server));
    open_end(&tls->client);
    /* A host that has given up closes its socket. */
    if (tls->client.ret) {
        shutdown(tls->client.fd, SHUT_WR);
    }
    pthread_join(tls->server.thread, NULL);
}

static void *run_end(void *data)
{
    struct fake_end *end = data;

    open_end(end);
    if (!end->ret) {
        end->how = xl_tls_relay(&end->tls, end->plain[1], end->plain[1],
                                end->rekey_octets);
    }
    /* Close the sockets, as the process xl-tls does when it ends. */
    close(end->fd);
    end->fd = -1;
    return NULL;
}

void fake_end_start(struct fake_end *end)
{
    require(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end->plain));
    require(!pthread_create(&end->thread, NULL, run_end, end));
}

void fake_end_join(struct fake_end *end)
{
    pthread_join(end->thread, NULL);
}
