/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The conversation, one request at a time:
 *
 *   WATCH control/shutdown, WRITE control/feature-*      after connecting
 *   READ control/shutdown      whenever the watch fires (also once at first)
 *   WRITE control/shutdown ""  if it held an order: acknowledged, hand it out
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/xs_wire.h>

#include "text.h"
#include "xen.h"
#include "xenstore.h"

#define SHUTDOWN_NODE "control/shutdown"
#define PAYLOAD_KEPT 64u

enum state {
    GREETING, /* telling the store what we can do, step by step */
    IDLE,
    READING, /* the order */
    ACKNOWLEDGING
};

struct request {
    uint32_t type;
    const char *first;  /* a string, sent with its NUL */
    const char *second; /* a value sent without, a token with its NUL */
};

static const struct request greeting[] = {
    {XS_WATCH, SHUTDOWN_NODE, "order"},
    {XS_WRITE, "control/feature-suspend", "1"},
    {XS_WRITE, "control/feature-poweroff", "1"},
    {XS_WRITE, "control/feature-reboot", "1"},
};
static const struct request read_order = {XS_READ, SHUTDOWN_NODE, ""};
static const struct request acknowledge = {XS_WRITE, SHUTDOWN_NODE, ""};

#define GREETING_STEPS (sizeof(greeting) / sizeof(greeting[0]))

static struct {
    struct xenstore_domain_interface *ring;
    uint32_t port;
    enum state state;
    unsigned int step; /* of the greeting */
    bool awaiting_reply;
    bool watch_fired;
    enum order order;
    /* The message coming in. */
    struct xsd_sockmsg header;
    uint32_t received; /* bytes of header and payload */
    char payload[PAYLOAD_KEPT + 1];
} store;

bool xenstore_connect(struct xenstore_domain_interface *ring, uint32_t port)
{
    store.ring = ring;
    store.port = port;
    if (ring->req_prod != 0) {
        return false;
    }
    store.state = GREETING;
    store.step = 0;
    store.awaiting_reply = false;
    store.watch_fired = false;
    store.received = 0;
    return true;
}

static void put(uint32_t *producer, const void *bytes, size_t count)
{
    const char *from = bytes;

    while (count-- > 0) {
        store.ring->req[MASK_XENSTORE_IDX(*producer)] = *from++;
        (*producer)++;
    }
}

static void send(const struct request *request)
{
    size_t first_size = text_length(request->first) + 1;
    size_t second_size =
        text_length(request->second) + (request->type == XS_WATCH);
    struct xsd_sockmsg header = {.type = request->type,
                                 .len = (uint32_t)(first_size + second_size)};
    uint32_t producer = store.ring->req_prod;
    uint32_t consumer =
        __atomic_load_n(&store.ring->req_cons, __ATOMIC_ACQUIRE);

    if (XENSTORE_RING_SIZE - (producer - consumer) <
        sizeof(header) + header.len) {
        return; /* the next poll tries again */
    }
    put(&producer, &header, sizeof(header));
    put(&producer, request->first, first_size);
    put(&producer, request->second, second_size);
    __atomic_store_n(&store.ring->req_prod, producer, __ATOMIC_RELEASE);
    store.awaiting_reply = true;
    xen_notify(store.port);
}

static void take_byte(char byte)
{
    uint32_t at = store.received++;

    if (at < sizeof(store.header)) {
        ((char *)&store.header)[at] = byte;
    } else if (at - sizeof(store.header) < PAYLOAD_KEPT) {
        store.payload[at - sizeof(store.header)] = byte;
    }
}

static bool message_complete(void)
{
    return store.received >= sizeof(store.header) &&
           store.received - sizeof(store.header) >= store.header.len;
}

/* True once a whole message is in store.header and store.payload. */
static bool receive(void)
{
    uint32_t consumer = store.ring->rsp_cons;
    uint32_t producer =
        __atomic_load_n(&store.ring->rsp_prod, __ATOMIC_ACQUIRE);
    bool was_full = producer - consumer == XENSTORE_RING_SIZE;
    uint32_t kept;

    if (consumer == producer) {
        return false;
    }
    while (consumer != producer && !message_complete()) {
        take_byte(store.ring->rsp[MASK_XENSTORE_IDX(consumer)]);
        consumer++;
    }
    __atomic_store_n(&store.ring->rsp_cons, consumer, __ATOMIC_RELEASE);
    if (was_full) {
        xen_notify(store.port);
    }
    if (!message_complete()) {
        return false;
    }
    kept = store.header.len < PAYLOAD_KEPT ? store.header.len : PAYLOAD_KEPT;
    store.payload[kept] = '\0';
    store.received = 0;
    return true;
}

static enum order order_named(const char *name)
{
    if (text_equal(name, "suspend")) {
        return ORDER_SUSPEND;
    }
    if (text_equal(name, "poweroff") || text_equal(name, "halt")) {
        return ORDER_POWEROFF;
    }
    if (text_equal(name, "reboot")) {
        return ORDER_REBOOT;
    }
    return ORDER_NONE;
}

/* Returns the order that this reply completes, mostly none. */
static enum order handle_reply(void)
{
    store.awaiting_reply = false;
    switch (store.state) {
    case GREETING:
        if (++store.step == GREETING_STEPS) {
            store.state = IDLE;
        }
        break;
    case READING:
        store.order = store.header.type == XS_READ ? order_named(store.payload)
                                                   : ORDER_NONE;
        store.state = store.order == ORDER_NONE ? IDLE : ACKNOWLEDGING;
        break;
    case ACKNOWLEDGING:
        store.state = IDLE;
        return store.order;
    case IDLE:
        break;
    }
    return ORDER_NONE;
}

static void send_next(void)
{
    if (store.state == IDLE && store.watch_fired) {
        store.watch_fired = false;
        store.state = READING;
    }
    switch (store.state) {
    case GREETING:
        send(&greeting[store.step]);
        break;
    case READING:
        send(&read_order);
        break;
    case ACKNOWLEDGING:
        send(&acknowledge);
        break;
    case IDLE:
        break;
    }
}

enum order xenstore_poll(void)
{
    enum order order = ORDER_NONE;

    while (order == ORDER_NONE && receive()) {
        if (store.header.type == XS_WATCH_EVENT) {
            store.watch_fired = true;
        } else {
            order = handle_reply();
        }
    }
    if (!store.awaiting_reply) {
        send_next();
    }
    return order;
}
