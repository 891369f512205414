/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Going on by RDMA: the request and its answer.
 */
#include "agree.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "utf8.h"

static struct sockaddr_in *ip4(struct xl_rdma_place *place)
{
    return (struct sockaddr_in *)&place->address;
}

static struct sockaddr_in6 *ip6(struct xl_rdma_place *place)
{
    return (struct sockaddr_in6 *)&place->address;
}

socklen_t xl_rdma_address_length(const struct xl_rdma_place *place)
{
    return place->address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                : sizeof(struct sockaddr_in);
}

int xl_rdma_resolve(const char *host, struct xl_rdma_place *place,
                    char why[XL_RDMA_WHY_MAX])
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_ADDRCONFIG,
    };
    struct addrinfo *found;
    int error = getaddrinfo(host, NULL, &hints, &found);

    if (error) {
        snprintf(why, XL_RDMA_WHY_MAX, "%.100s: %s", host,
                 gai_strerror(error));
        return -1;
    }
    *place = (struct xl_rdma_place){.address = {0}};
    memcpy(&place->address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (place->address.ss_family == AF_INET6 &&
        IN6_IS_ADDR_LINKLOCAL(&ip6(place)->sin6_addr)) {
        snprintf(why, XL_RDMA_WHY_MAX,
                 "%.100s is an address of one link only, which means nothing "
                 "to the other host: give another one",
                 host);
        return -1;
    }
    return 0;
}

void xl_rdma_make_request(struct xl_rdma_request *request,
                          const struct xl_rdma_place *place)
{
    struct xl_rdma_place copy = *place;

    *request = (struct xl_rdma_request){
        .version = XL_RDMA_VERSION,
        .family = place->address.ss_family == AF_INET6 ? 6 : 4,
    };
    memcpy(request->magic, XL_RDMA_MAGIC, sizeof(request->magic));
    if (request->family == 6) {
        memcpy(request->address, &ip6(&copy)->sin6_addr, 16);
    } else {
        memcpy(request->address, &ip4(&copy)->sin_addr, 4);
    }
}

int xl_rdma_read_request(const struct xl_rdma_request *request,
                         struct xl_rdma_place *place)
{
    if (memcmp(request->magic, XL_RDMA_MAGIC, sizeof(request->magic)) ||
        request->version != XL_RDMA_VERSION) {
        return -1;
    }
    *place = (struct xl_rdma_place){.address = {0}};
    switch (request->family) {
    case 4:
        place->address.ss_family = AF_INET;
        memcpy(&ip4(place)->sin_addr, request->address, 4);
        return 0;
    case 6:
        place->address.ss_family = AF_INET6;
        memcpy(&ip6(place)->sin6_addr, request->address, 16);
        return 0;
    default:
        return -1;
    }
}

/* Where the port of either family is. */
static in_port_t *port_of(struct xl_rdma_place *place)
{
    return place->address.ss_family == AF_INET6 ? &ip6(place)->sin6_port
                                                : &ip4(place)->sin_port;
}

void xl_rdma_make_answer(struct xl_rdma_answer *answer,
                         const struct xl_rdma_place *place)
{
    struct xl_rdma_place copy = *place;

    *answer = (struct xl_rdma_answer){.port = ntohs(*port_of(&copy))};
    memcpy(answer->token, place->token, sizeof(answer->token));
}

void xl_rdma_make_refusal(struct xl_rdma_answer *answer, const char *why)
{
    *answer = (struct xl_rdma_answer){.refused = 1};
    snprintf(answer->why, sizeof(answer->why), "%s", why);
}

int xl_rdma_send_answer(int fd, const struct xl_rdma_answer *answer)
{
    ssize_t put = write(fd, answer, sizeof(*answer));

    if (put >= 0 && put < (ssize_t)sizeof(*answer)) {
        errno = EAGAIN;
        put = -1;
    }
    return put < 0 ? -1 : 0;
}

int xl_rdma_read_answer(const struct xl_rdma_answer *answer,
                        struct xl_rdma_place *place, char why[XL_RDMA_WHY_MAX])
{
    char text[sizeof(answer->why) + 1] = "";

    if (answer->refused == 1) {
        memcpy(text, answer->why, sizeof(answer->why));
        lm_utf8_show(why, XL_RDMA_WHY_MAX, text);
        return -1;
    }
    if (answer->refused || answer->zero || !answer->port ||
        answer->port > UINT16_MAX) {
        snprintf(why, XL_RDMA_WHY_MAX,
                 "it answers with something that is no answer: install the "
                 "same version of this package on both hosts");
        return -1;
    }
    *port_of(place) = htons(answer->port);
    memcpy(place->token, answer->token, sizeof(place->token));
    return 0;
}
