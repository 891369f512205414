/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Fuzzes libxl's stream: its beginning, then the records of the devices.
 */
#include "fuzz_peer.h"
#include "stream/stream.h"

/* Such a record holds only what the page allows, in the length that it
 * states. */
static void check_record(const struct lm_record *record, size_t length)
{
    struct xlm_context xlm = fuzz_context(NULL);
    const void *state;
    size_t state_length;

    fuzz_require(record->total >= 8 && record->total <= length);
    fuzz_require(record->type <= LM_REC_POSTCOPY_TRANSITION_END);
    if (record->type == LM_REC_EMULATOR_CONTEXT &&
        !lm_parse_emulator_context(&xlm, record, &state, &state_length)) {
        fuzz_require((const uint8_t *)state + state_length <=
                     record->octets + record->total);
    }
    (void)lm_check_devices(&xlm, record->octets, record->total);
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
    struct xlm_context xlm = fuzz_context(NULL);
    struct xlm_channel channel = XLM_CHANNEL_CLOSED;
    struct lm_record record;
    int fd = fuzz_file(octets, length);
    int rc;

    if (length >= 8) {
        (void)lm_check_devices(&xlm, octets, length);
    }
    rc = lm_read_prologue(&xlm, fd);
    fuzz_require(!xlm_channel_open(&channel, fd, -1, -1));
    while (!rc) {
        rc = lm_read_record(&xlm, &channel, &record);
        if (!rc) {
            check_record(&record, length);
        }
        lm_record_dispose(&record);
    }
    fuzz_require(xlm.reason[0]);
    xlm_channel_close(&channel);
    fuzz_close(fd);
    return 0;
}
