/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Fuzzes values in xenstore: "node=value", one a line, below one domain, and
 * a request for each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control_policy.h"
#include "fake_xenstore.h"
#include "fuzz_peer.h"
#include "libxl_live_migrate.h"

static void put_line(char *line)
{
    char path[200];
    char *value = strchr(line, '=');
    struct lm_control_state state = {.source = true, .may_abort = true};
    struct lm_request request;

    if (!value || value == line) {
        return;
    }
    *value++ = '\0';
    snprintf(path, sizeof(path), "/libxl/7/live-migrate/%s", line);
    fake_store_put(path, value);
    request = lm_request_parse(value);
    (void)lm_request_answer(&request, &state);
}

static void look(void)
{
    libxl_live_migrate_status *list;
    int count, i;

    fuzz_require(!libxl_live_migrate_list(&list, &count));
    for (i = 0; i < count; i++) {
        char *json = libxl_live_migrate_status_to_json(&list[i]);

        fuzz_require(json && json[0] == '{' && json[strlen(json) - 1] == '}');
        fuzz_require(!memchr(json, '\n', strlen(json)));
        free(json);
    }
    libxl_live_migrate_status_list_free(list, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
    char *text = malloc(length + 1);
    char *line, *rest;

    memcpy(text, octets, length);
    text[length] = '\0';
    fake_store_clear();
    fake_store_put("/libxl/7", "");
    for (line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        put_line(line);
    }
    look();
    free(text);
    return 0;
}
