/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Fuzzes the reader of records alone, in the state that the first octet
 * names: this reads far more records a second than a migration does.
 */
#include "fuzz_peer.h"
#include "wire/expand.h"
#include "wire/record.h"

#define STATES (XLM_READ_CREDIT + 1)
#define PFNS 4096

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
    struct xlm_context ctx = fuzz_context(NULL);
    struct xlm_channel channel = XLM_CHANNEL_CLOSED;
    struct xlm_record record = XLM_RECORD_EMPTY;
    struct xlm_expander expander = XLM_EXPANDER_EMPTY;
    char text[XLM_ANSWER_TEXT_MAX + 1];
    enum xlm_reader_state state;
    struct xlm_pfn_list list;
    uint32_t status;
    int fd;

    if (!length) {
        return 0;
    }
    state = octets[0] % STATES;
    fd = fuzz_file(octets + 1, length - 1);
    fuzz_require(!xlm_channel_open(&channel, fd, -1, -1));
    while (!xlm_read_record(&ctx, &channel, state, &record)) {
        fuzz_require(record.length <= length);
        switch (xlm_record_body(record.type)) {
        case XLM_BODY_LIST:
        case XLM_BODY_PAGES:
        case XLM_BODY_COMPRESSED:
        case XLM_BODY_REPEATED:
            if (!xlm_parse_pfn_list(&ctx, &record, PFNS, &list)) {
                (void)xlm_expand(&ctx, &expander, &record, &list);
            }
            break;
        case XLM_BODY_ANSWER:
            (void)xlm_parse_answer(&ctx, &record, &status, text);
            break;
        default:
            break;
        }
        if (record.type == XLM_REC_POSTCOPY_STATS) {
            (void)xlm_check_stats(&ctx, &record);
        }
    }
    fuzz_require(ctx.reason[0]);
    xlm_expander_dispose(&expander);
    xlm_record_dispose(&record);
    xlm_channel_close(&channel);
    fuzz_close(fd);
    return 0;
}
