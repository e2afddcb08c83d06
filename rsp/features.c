/* SPDX-License-Identifier: MIT */
#include "rsp/features.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
static const struct {
	const char *name;
	size_t flag; /* offset of the bool it sets */
} known[] = {
	{ "multiprocess+",   offsetof(struct rsp_features, multiprocess) },
	{ "swbreak+",        offsetof(struct rsp_features, swbreak) },
	{ "hwbreak+",        offsetof(struct rsp_features, hwbreak) },
	{ "error-message+",  offsetof(struct rsp_features, error_message) },
	{ "binary-upload+",  offsetof(struct rsp_features, binary_upload) },
	{ "exec-events+",    offsetof(struct rsp_features, exec_events) },
	{ "fork-events+",    offsetof(struct rsp_features, fork_events) },
	{ "vfork-events+",   offsetof(struct rsp_features, vfork_events) },
	{ "no-resumed+",     offsetof(struct rsp_features, no_resumed) },
	{ "vContSupported+", offsetof(struct rsp_features, vcont_supported) },
	{ "qRelocInsn+",     offsetof(struct rsp_features, qrelocinsn) },
};
/* clang-format on */

static void parse_one(const struct rsp_cursor *feature, struct rsp_features *ret)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct rsp_cursor c = *feature;
		if (cur_literal(&c, known[i].name) && cur_end(&c))
			*(bool *)((char *)ret + known[i].flag) = true;
	}
	/*
	 * Both clients send xmlRegisters; only lldb lists more than i386 there,
	 * and gdb always adds qRelocInsn+.
	 */
	struct rsp_cursor c = *feature;
	if (cur_literal(&c, "xmlRegisters=i386,"))
		ret->lldb = true;
}

void rsp_features_parse(struct rsp_cursor *args, struct rsp_features *ret)
{
	struct rsp_cursor feature;

	*ret = (struct rsp_features){ 0 };
	while (cur_token(args, ';', &feature))
		parse_one(&feature, ret);
}
