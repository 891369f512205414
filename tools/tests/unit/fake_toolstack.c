/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Callbacks that do nothing.
 */
#include "fake_toolstack.h"

static enum xlm_precopy_answer postcopy_at_once(
    const struct xlm_precopy_stats *stats, void *data)
{
    (void)stats;
    (void)data;
    return XLM_PRECOPY_POSTCOPY;
}

static int switch_no_logdirty(bool enable, void *data)
{
    (void)enable;
    (void)data;
    return 0;
}

static int no_device_state(struct xlm_channel *channel, void *data)
{
    (void)channel;
    (void)data;
    return 0;
}

static int done(void *data)
{
    (void)data;
    return 0;
}

static int feed_nobody(const void *bytes, size_t length, void *data)
{
    (void)bytes;
    (void)length;
    (void)data;
    return 0;
}

const struct xlm_save_callbacks fake_idle_source = {
    .precopy_policy = postcopy_at_once,
    .switch_qemu_logdirty = switch_no_logdirty,
    .write_device_state = no_device_state,
    .put_away = done,
};

const struct xlm_restore_callbacks fake_idle_destination = {
    .feed = feed_nobody,
    .feed_devices = feed_nobody,
    .await_build = done,
    .read_device_state = no_device_state,
};
