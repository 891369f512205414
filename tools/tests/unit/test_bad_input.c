/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Bad input from peers to the upper layers: libxl's records, JSON.
 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_log.h"
#include "fake_memory.h"
#include "json_bounds.h"
#include "save_header.h"
#include "stream/stream.h"

/* ---- libxl's records ---- */

struct wire {
    struct xlm_context xlm;
    struct xlm_channel channel;
    struct lm_record record;
    int peer;
};

static struct wire open_wire(void)
{
    struct wire wire = {.xlm = XLM_CONTEXT_INIT,
                        .channel = XLM_CHANNEL_CLOSED};
    int fds[2];

    wire.xlm.logger = fake_logger();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(xlm_channel_open(&wire.channel, fds[0], fds[0], -1), 0);
    wire.peer = fds[1];
    return wire;
}

static void close_wire(struct wire *wire)
{
    int fd = wire->channel.in_fd;

    lm_record_dispose(&wire->record);
    xlm_channel_close(&wire->channel);
    close(fd);
    close(wire->peer);
}

static void send_record(struct wire *wire, uint32_t type, uint32_t length,
                        const void *body, size_t sent)
{
    const uint32_t head[] = {htole32(type), htole32(length)};

    assert_int_equal(send(wire->peer, head, sizeof(head), 0), sizeof(head));
    if (sent) {
        assert_int_equal(send(wire->peer, body, sent, 0), sent);
    }
    shutdown(wire->peer, SHUT_WR);
}

/* A record whose type or length is not allowed is refused after its header. */
static void bad_libxl_records(void **state)
{
    static const struct {
        uint32_t type, length;
    } bad[] = {
        {LM_REC_LIBXC_CONTEXT, 0},
        {4, 0},
        {5, 8},
        {7, 0},
        {0x80000000, 8},
        {0xffffffff, 0xffffffff},
        {LM_REC_END, 1},
        {LM_REC_POSTCOPY_TRANSITION_END, 8},
        {LM_REC_EMULATOR_CONTEXT, 7},
        {LM_REC_EMULATOR_CONTEXT, (64 << 20) + 1},
        {LM_REC_EMULATOR_XENSTORE_DATA, 0xfffffff8},
        {LM_REC_EMULATOR_XENSTORE_DATA, 0xffffffff},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct wire wire = open_wire();

        send_record(&wire, bad[i].type, bad[i].length, NULL, 0);
        assert_int_equal(
            lm_read_record(&wire.xlm, &wire.channel, &wire.record), -1);
        assert_int_equal(errno, EPROTO);
        assert_non_null(strstr(wire.xlm.reason, "bad record"));
        assert_null(wire.record.octets);
        close_wire(&wire);
    }
}

static void announced_and_not_sent(void **state)
{
    struct fake_memory memory = {.used = 0};
    struct wire wire = open_wire();

    (void)state;
    send_record(&wire, LM_REC_EMULATOR_CONTEXT, 64 << 20, "few", 3);
    fake_memory_watch(&memory);
    assert_int_equal(lm_read_record(&wire.xlm, &wire.channel, &wire.record),
                     -1);
    fake_memory_watch(NULL);
    assert_true(memory.peak && memory.peak < 1 << 20);
    close_wire(&wire);
}

static void long_record(void **state)
{
    struct wire wire = open_wire();
    uint8_t *body = malloc(100000);
    size_t i;

    (void)state;
    for (i = 0; i < 100000; i++) {
        body[i] = (uint8_t)(i % 251);
    }
    send_record(&wire, LM_REC_EMULATOR_CONTEXT, 100000, body, 100000);
    assert_int_equal(lm_read_record(&wire.xlm, &wire.channel, &wire.record),
                     0);
    assert_int_equal(wire.record.total, 100008);
    assert_memory_equal(wire.record.octets + 8, body, 100000);
    free(body);
    close_wire(&wire);
}

/* ---- the devices that come early ---- */

static int check_devices(const void *octets, size_t length)
{
    struct xlm_context xlm = XLM_CONTEXT_INIT;
    int rc;

    xlm.logger = fake_logger();
    rc = lm_check_devices(&xlm, octets, length);
    assert_int_equal(rc, xlm.reason[0] ? -1 : 0);
    return rc;
}

static void early_devices(void **state)
{
    struct xlm_context xlm = XLM_CONTEXT_INIT;
    size_t length;
    uint8_t *good, *twice;

    (void)state;
    xlm.logger = fake_logger();
    good = lm_make_emulator_context(&xlm, "state", 5, &length);
    assert_int_equal(check_devices(good, length), 0);
    assert_int_equal(check_devices(good, length - 8), -1);
    assert_int_equal(check_devices(good, 8), -1);

    twice = malloc(2 * length);
    memcpy(twice, good, length);
    memcpy(twice + length, good, length);
    assert_int_equal(check_devices(twice, 2 * length), -1);
    free(twice);

    good[0] = LM_REC_END;
    assert_int_equal(check_devices(good, length), -1);
    good[0] = LM_REC_EMULATOR_CONTEXT;
    good[8] = 1; /* another kind of emulator */
    assert_int_equal(check_devices(good, length), -1);
    free(good);
}

/* ---- JSON ---- */

static const char *problem(const char *text)
{
    return lm_json_problem(text, strlen(text));
}

static char *repeat(const char *what, size_t times)
{
    size_t length = strlen(what), i;
    char *text = malloc(length * times + 1);

    for (i = 0; i < times; i++) {
        memcpy(text + i * length, what, length);
    }
    text[length * times] = '\0';
    return text;
}

static void deep_json(void **state)
{
    char *text = repeat("[", 64);

    (void)state;
    assert_null(problem(text));
    free(text);
    text = repeat("{\"a\":[", 33);
    assert_non_null(strstr(problem(text), "deep"));
    free(text);
    /* JSON that opens and closes levels again and again is not deep. */
    text = repeat("[]", 1000);
    assert_null(problem(text));
    free(text);
}

static void wide_json(void **state)
{
    char *text = repeat("1,", 65536);

    (void)state;
    assert_null(problem(text));
    free(text);
    text = repeat("1,", 65537);
    assert_non_null(strstr(problem(text), "too many"));
    free(text);
}

/* Brackets in strings are no structure, and the reader finds the strings'
 * ends. */
static void json_in_strings(void **state)
{
    char *brackets = repeat("[", 1000), *text = malloc(2000);

    (void)state;
    snprintf(text, 2000, "\"\\\"%s\"", brackets);
    assert_null(problem(text));
    snprintf(text, 2000, "\"\\\\\"%s", brackets);
    assert_non_null(problem(text));
    assert_null(problem("\"never ends"));
    assert_null(problem("\"ends in an escape\\"));
    assert_null(problem("]]]]}}}"));
    free(brackets);
    free(text);
}

static void bomb_in_a_configuration(void **state)
{
    char *bomb = repeat("[", 10000);
    uint32_t length = 10001;
    char *data = malloc(4 + length);
    const char *config;

    (void)state;
    memcpy(data, &length, 4);
    memcpy(data + 4, bomb, length);
    assert_non_null(
        strstr(xl_save_data_check(data, 4 + length, &config), "deep"));
    free(bomb);
    free(data);
}

static void names(void **state)
{
    char *name = repeat("n", 257);

    (void)state;
    assert_true(xl_name_is_good("guest-1 of \xc3\xa4"));
    assert_false(xl_name_is_good(""));
    assert_false(xl_name_is_good("\x1b[2J"));
    assert_false(xl_name_is_good("two\nlines"));
    assert_false(xl_name_is_good("../etc"));
    assert_false(xl_name_is_good("\x7f"));
    assert_false(xl_name_is_good(name));
    assert_true(xl_name_is_good(name + 1));
    free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_libxl_records),
        cmocka_unit_test(announced_and_not_sent),
        cmocka_unit_test(long_record),
        cmocka_unit_test(early_devices),
        cmocka_unit_test(deep_json),
        cmocka_unit_test(wide_json),
        cmocka_unit_test(json_in_strings),
        cmocka_unit_test(bomb_in_a_configuration),
        cmocka_unit_test(names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
