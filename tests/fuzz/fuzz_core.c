/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer against cores: a small one with damage done to it, and with the first two
 * bytes of input cut off somewhere.  Each eleven bytes after them do one piece: where
 * (two bytes), how many bytes (one), and those.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stub/target/core.h"
#include "tests/fake/tiny_core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void damage(uint8_t *core, const uint8_t d[11])
{
	size_t at = (d[0] | (size_t)d[1] << 8) % offsetof(struct tiny_core, heap);
	memcpy(core + at, d + 3, d[2] % 9u);
}

static bool look_at_thread(pid_t tid, void *arg)
{
	struct target *t = arg;
	uint8_t value[REG_MAX], info[128];
	size_t size = sizeof(info);

	for (uint16_t i = 0; i < t->arch->nregs; i++)
		err_drop(target_reg_get(t, tid, i, value));
	err_drop(t->ops->siginfo_read(t, tid, info, &size));
	return true;
}

static void look_around(struct target *t)
{
	static const uint64_t places[] = { TINY_FILE_AT, TINY_HEAP_AT, TINY_LEFT_AT, 0,
					   UINT64_MAX - 100 };
	_cleanup_buf_ struct buf text = { 0 };
	const struct space *space;
	uint8_t bytes[5000];

	err_drop(t->ops->threads(t, look_at_thread, t));
	err_drop(t->ops->auxv(t, &text));
	err_drop(t->ops->exec_file(t, &text));
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		err_drop(mem_read(&t->mem, places[i], bytes, sizeof(bytes)));
	struct err *err = target_space(t, &space);
	for (size_t i = 0; !err && i < space->maps->n && i < 100; i++) {
		const struct map *m = &space->maps->map[i];
		err_drop(mem_read(&t->mem, m->end - 16, bytes, 32));
		int fd = t->ops->open_map(t, m);
		if (fd >= 0)
			close(fd);
	}
	err_drop(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tiny_core core;
	struct target *target;
	char path[64];

	tiny_core_make(&core, "/proc/self/exe");
	size_t size = sizeof(core);
	if (len >= 2 && (data[1] & 0x80))
		size = (data[0] | (size_t)(data[1] & 0x7f) << 8) % (sizeof(core) + 1);
	for (size_t at = 2; at + 11 <= len; at += 11)
		damage((uint8_t *)&core, data + at);
	int fd = tiny_core_file(&core, size);
	if (fd < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	const struct core_options o = { .core = path, .quiet = true };
	struct err *err = core_open(&o, &target);
	if (!err) {
		look_around(target);
		target->ops->destroy(target);
	}
	err_drop(err);
	close(fd);
	return 0;
}
