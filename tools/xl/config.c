/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Configurations of domains: where they come from, and how they travel.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl_utils.h>

#include "evacuation/room.h"
#include "prologue.h"
#include "save_header.h"
#include "stock.h"
#include "transport.h"

/* ---- waiting for the other host ---- */

static int await_room(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLOUT};
    int ready;

    do {
        ready = poll(&poller, 1, XL_PATIENCE_MS);
    } while (ready < 0 && errno == EINTR);
    if (!ready) {
        fprintf(stderr, "xl: nothing was heard of the other host for three "
                        "minutes: is the link cut?\n");
    }
    return ready > 0 ? 0 : -1;
}

/* In pieces that cannot block after a poll(). */
int xl_config_write_octets(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    ssize_t written;

    while (length) {
        if (await_room(fd)) {
            return -1;
        }
        written = write(fd, at, length < PIPE_BUF ? length : PIPE_BUF);
        if (written < 0 && errno != EINTR && errno != EAGAIN) {
            return -1;
        }
        at += written < 0 ? 0 : written;
        length -= written < 0 ? 0 : (size_t)written;
    }
    return 0;
}

static int read_all(int fd, void *buffer, size_t length, uint64_t deadline,
                    const char *what)
{
    if (!xl_read_until(fd, buffer, length, deadline)) {
        return 0;
    }
    if (errno == ETIMEDOUT) {
        fprintf(stderr,
                "xl: the peer has not sent a %s within %d "
                "seconds\n",
                what, XL_PROLOGUE_SECONDS);
    } else {
        fprintf(stderr, "xl: the source is gone before its %s came\n", what);
    }
    return -1;
}

/* ---- to send ---- */

/* The parser of xl's configuration files is in no library: so let the stock xl
 * show what it reads from one. */
static int read_config_file(struct xl_context *xl, const char *path,
                            libxl_domain_config *config)
{
    char create[] = "create", quiet[] = "-q", dry_run[] = "-n";
    char *file = strdup(path);
    char *arguments[] = {NULL, create, file, quiet, dry_run, NULL};
    char *json = file ? xl_stock_output(arguments) : NULL;
    int rc = ERROR_FAIL;

    if (json) {
        rc = libxl_domain_config_from_json(xl->ctx, config, json);
    }
    if (rc) {
        fprintf(stderr,
                "xl: %s could not be read as the configuration of a "
                "domain\n",
                path);
    }
    free(json);
    free(file);
    return rc;
}

char *xl_config_own(struct xl_context *xl, uint32_t domid)
{
    libxl_domain_config config;
    char *json = NULL;

    libxl_domain_config_init(&config);
    if (!libxl_retrieve_domain_configuration(xl->ctx, domid, &config, NULL)) {
        json = libxl_domain_config_to_json(xl->ctx, &config);
    }
    if (!json) {
        fprintf(stderr, "xl: no configuration for domain %u\n", domid);
    }
    libxl_domain_config_dispose(&config);
    return json;
}

char *xl_config_to_send(struct xl_context *xl, uint32_t domid,
                        const char *override, bool preserve_domid)
{
    libxl_domain_config config;
    char *json = NULL;
    int rc;

    libxl_domain_config_init(&config);
    if (override) {
        rc = read_config_file(xl, override, &config);
    } else {
        rc =
            libxl_retrieve_domain_configuration(xl->ctx, domid, &config, NULL);
    }
    if (rc) {
        fprintf(stderr, "xl: no configuration for domain %u\n", domid);
        goto out;
    }
    config.c_info.domid = preserve_domid ? domid : 0;
    json = libxl_domain_config_to_json(xl->ctx, &config);
    if (!json) {
        fprintf(stderr,
                "xl: the configuration of domain %u cannot be "
                "written as JSON\n",
                domid);
    }

out:
    libxl_domain_config_dispose(&config);
    return json;
}

int xl_config_write(int fd, const char *json)
{
    struct xl_save_header header;
    struct xl_save_data data;
    uint32_t length = strlen(json) + 1;

    xl_save_header_make(&header, &data, length);
    if (xl_config_write_octets(fd, &header, sizeof(header)) ||
        xl_config_write_octets(fd, &data, sizeof(data)) ||
        xl_config_write_octets(fd, json, length)) {
        fprintf(stderr, "xl: the receiver does not take the domain's "
                        "configuration\n");
        return -1;
    }
    return 0;
}

/* ---- to receive ---- */

int xl_config_read_octets(int fd, void *octets, size_t length,
                          const char *what)
{
    return read_all(fd, octets, length, xl_deadline(XL_PROLOGUE_SECONDS),
                    what);
}

static int parse_config(struct xl_context *xl, const char *json,
                        libxl_domain_config *config)
{
    if (libxl_domain_config_from_json(xl->ctx, config, json)) {
        fprintf(stderr, "xl: libxl of this host cannot read the domain's "
                        "configuration: is it older than the source's?\n");
        return -1;
    }
    if (!config->c_info.name) {
        fprintf(stderr, "xl: the domain comes without a name\n");
        return -1;
    }
    if (!xl_name_is_good(config->c_info.name)) {
        fprintf(stderr, "xl: the domain comes with a name that is too long, "
                        "or has control characters or a '/' in it\n");
        return -1;
    }
    return 0;
}

int xl_config_read(struct xl_context *xl, int fd, libxl_domain_config *config)
{
    const uint64_t deadline = xl_deadline(XL_PROLOGUE_SECONDS);
    struct xl_save_header header;
    const char *problem, *json;
    char *data = NULL;
    int ret = -1;

    if (read_all(fd, &header, sizeof(header), deadline, "header")) {
        goto out;
    }
    if (xl_room_is_asked(&header)) {
        ret = XL_CONFIG_ROOM;
        goto out;
    }
    problem = xl_save_header_check(&header);
    if (problem) {
        goto bad;
    }
    data = malloc(header.data_length ? header.data_length : 1);
    if (!data ||
        read_all(fd, data, header.data_length, deadline, "configuration")) {
        goto out;
    }
    problem = xl_save_data_check(data, header.data_length, &json);
    if (problem) {
        goto bad;
    }
    ret = parse_config(xl, json, config);
    goto out;

bad:
    fprintf(stderr, "xl: what comes in is %s\n", problem);
out:
    free(data);
    return ret;
}
