/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The one list of the counters of a migration with postcopy. The fields of
 * libxl_live_migrate_stats, the nodes in xenstore, the keys of the JSON and
 * the engine's own counters are made from it. A program that wants all of them
 * can use it, too:
 *
 *   #define SHOW(end, field, name, what) \
 *       printf("%s: %llu\n", name, (unsigned long long)stats->field);
 *   LIBXL_LIVE_MIGRATE_COUNTERS(SHOW)
 *
 * A row has the end that counts, the field, the name of the node and of the
 * key, and a description. Ends are SOURCE; DESTINATION, which tells the
 * source; and SHOWN, which is computed from others when it is shown. The
 * destination also fills in those of the source's counters that it knows.
 *
 * Counters are pages of 4 KiB. Names that end in _us are microseconds: a point
 * in time is counted from the beginning of the call, by the caller's monotonic
 * clock. 0 can also mean: not known, not reached, not at this end.
 *
 * The rows are in the order of the fields: new ones must come last.
 */
#ifndef LIBXL_LIVE_MIGRATE_COUNTERS_H
#define LIBXL_LIVE_MIGRATE_COUNTERS_H

#define LIBXL_LIVE_MIGRATE_COUNTERS(X) \
    X(SOURCE, iterations, "iterations", "precopy rounds that were completed") \
    X(SOURCE, guest_pages, "guest-pages", "pages that the guest has") \
    X(SOURCE, dirty_pages, "dirty-pages", \
      "in precopy: still to be sent in this round") \
    X(SOURCE, precopy_pages, "precopy-pages", \
      "sent while the guest ran at the source") \
    X(SOURCE, left_out_pages, "left-out-pages", \
      "left out of a round: written again before their turn") \
    X(SOURCE, stop_pages, "stop-pages", "sent while the guest was stopped") \
    X(SOURCE, hot_pages, "hot-pages", \
      "of stop-pages, those that the guest needs first") \
    X(SOURCE, hot_us, "hot-us", "how long sending the hot-pages took") \
    X(SOURCE, postcopy_pages, "postcopy-pages", "outstanding at the go") \
    X(SOURCE, requested_pages, "requested-pages", \
      "of postcopy-pages, sent on request") \
    X(SOURCE, channel_pages, "channel-pages", \
      "of requested-pages, over the fault channel") \
    X(SOURCE, pushed_pages, "pushed-pages", \
      "of postcopy-pages, sent without a request") \
    X(SOURCE, neighbour_pages, "neighbour-pages", \
      "of pushed-pages, sent along with a requested page") \
    X(SOURCE, outstanding, "outstanding-pages", \
      "of postcopy-pages, still to be sent") \
    X(SOURCE, zero_pages, "zero-pages", \
      "of all sent pages, those sent as zeroes") \
    X(DESTINATION, dropped_pages, "dropped-pages", \
      "given up by the guest before they came") \
    X(SOURCE, unsent_pages, "unsent-pages", "of dropped-pages, never sent") \
    X(SOURCE, bytes_sent, "bytes-sent", "octets on the wire") \
    X(SHOWN, rate, "rate", "octets a second, of late") \
    X(SHOWN, time_left_us, "time-left-us", \
      "at that rate: of the round, or of postcopy") \
    X(SOURCE, send_rate, "send-rate", \
      "in precopy: pages a second while sending") \
    X(SOURCE, dirty_rate, "dirty-rate", \
      "in precopy: pages a second written by the guest") \
    X(DESTINATION, faults, "faults", "pages that the guest waited for") \
    X(DESTINATION, outside, "outside-requests", \
      "accesses of back ends to absent pages") \
    X(DESTINATION, fault_median_us, "fault-median-us", \
      "how long the guest waited for a page, median") \
    X(DESTINATION, fault_p99_us, "fault-p99-us", \
      "how long the guest waited for a page, 99 of 100 below") \
    X(DESTINATION, fault_max_us, "fault-max-us", \
      "how long the guest waited for a page, at most") \
    X(DESTINATION, blocked_us, "blocked-us", "sum of all waits of all vCPUs") \
    X(DESTINATION, behind_median, "behind-median", \
      "pushed pages that came while the guest waited for a page, median") \
    X(DESTINATION, behind_most, "behind-most", \
      "pushed pages that came while the guest waited for a page, at most") \
    X(SOURCE, crossed_requests, "crossed-requests", \
      "requests that crossed their page: the source had sent it by then") \
    X(SOURCE, queue_depth, "queue-depth", "requests that wait to be served") \
    X(SOURCE, queue_most, "queue-most", \
      "requests that waited to be served, at most") \
    X(DESTINATION, duplicate_pages, "duplicate-pages", \
      "pages that came a second time: 0, unless this library has a bug") \
    X(SOURCE, suspend_us, "suspend-us", "when the suspend began") \
    X(SOURCE, suspended_us, "suspended-us", "when the guest was stopped") \
    X(SOURCE, sent_us, "sent-us", \
      "when the last pages and the state were written") \
    X(SOURCE, ready_us, "ready-us", "when the destination's READY was read") \
    X(SOURCE, go_us, "go-us", "when the go was written") \
    X(SOURCE, running_us, "running-us", \
      "when the guest ran at the destination") \
    X(SOURCE, end_us, "end-us", "when the migration had ended") \
    X(SOURCE, settled_pages, "settled-pages", \
      "sent during the suspend: just written, and then left alone") \
    X(SHOWN, expected_downtime_us, "expected-downtime-us", \
      "how long sending in the stop takes, as precopy expected it last") \
    X(SHOWN, downtime_us, "downtime-us", \
      "how long the guest was stopped, or is until now") \
    X(SHOWN, total_left_us, "total-left-us", \
      "until the destination has everything, by the rates of late") \
    X(SOURCE, evicted_pages, "evicted-pages", \
      "made absent at the destination while the guest ran at the source") \
    X(SOURCE, evict_left_us, "evict-left-us", \
      "how long making absent takes of what precopy would leave now") \
    X(SOURCE, streams, "streams", \
      "in postcopy: connections that pages are pushed over") \
    X(SOURCE, stream_pages, "stream-pages", \
      "of postcopy-pages, over streams other than the first connection") \
    X(DESTINATION, superpages, "superpages", \
      "regions of 2 MiB that have superpages again") \
    X(SOURCE, repeated_pages, "repeated-pages", \
      "of all sent pages, those sent as one word that is repeated") \
    X(SOURCE, compressed_pages, "compressed-pages", \
      "of all sent pages, those sent compressed") \
    X(SOURCE, compressed_bytes, "compressed-bytes", \
      "octets on the wire of compressed-pages") \
    X(DESTINATION, unseen_writes, "unseen-writes", \
      "writes to absent pages that access rights did not stop")

/* NOLINTNEXTLINE(bugprone-macro-parentheses): a term of a sum */
#define LIBXL_LIVE_MIGRATE_COUNT_ONE_(...) +1

/* Room in libxl_live_migrate_stats, whose size must never change. */
#define LIBXL_LIVE_MIGRATE_MAX_COUNTERS 96
/* How many counters there are. */
enum {
    LIBXL_LIVE_MIGRATE_NR_COUNTERS =
        0 LIBXL_LIVE_MIGRATE_COUNTERS(LIBXL_LIVE_MIGRATE_COUNT_ONE_),
};

/*
 * Waits of back ends at the destination, in dom0, for pages of the guest: the
 * fields of libxl_live_migrate_outside.  A back end that has waited for half a
 * minute gives up, and the guest gets an I/O error.
 */
#define LIBXL_LIVE_MIGRATE_OUTSIDE_COUNTERS(X) \
    X(waiting, "outside-waiting", \
      "at the destination: pages that back ends wait for now") \
    X(wait_us, "outside-wait-us", "the longest of these waits") \
    X(most_us, "outside-most-us", "the longest wait of a back end so far")

#endif
