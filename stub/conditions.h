/* SPDX-License-Identifier: MIT */
/*
 * Conditions and commands of breakpoints, evaluated here instead of in the client: what
 * may follow a Z0 or Z1 (GDB manual, "Packets", `Z0': cond_list and cmd_list).
 *
 * A hit is told if the breakpoint has no conditions or one of them is true, and it has
 * no commands.  Commands are run when it would have been told.  What cannot be
 * evaluated is told, and why.
 */
#ifndef STUB_CONDITIONS_H
#define STUB_CONDITIONS_H

#include "rsp/cursor.h"
#include "stub/target/target.h"

struct agent_ops;
struct session;
struct condition;  /* those of one breakpoint */
struct conditions; /* of all */

struct err *conditions_create(struct session *s, struct conditions **ret) MUST_CHECK;
void conditions_destroy(struct conditions *all);
void conditions_clear(struct conditions *all);

/*
 * "[;]X LEN,BYTES..." and ";cmds:PERSIST,X LEN,BYTES..." up to the end of the packet.  *ret
 * is NULL if there is nothing.
 */
struct err *condition_parse(struct rsp_cursor *args, struct condition **ret) MUST_CHECK;
void condition_free(struct condition *c);

/*
 * What @addr's breakpoint has from now on; NULL: nothing, or there is no breakpoint any
 * more.  @c is taken over unless there is an error.
 */
struct err *conditions_set(struct conditions *all, enum point_type type, uint64_t addr,
			   struct condition *c) MUST_CHECK;

/*
 * Whether a hit of that breakpoint is to be told, by expressions that act on what @ops and
 * @ctx say.  True if it has no conditions and no commands.
 */
bool conditions_tell(struct conditions *all, enum point_type type, uint64_t addr,
		     const struct agent_ops *ops, void *ctx);

/* For target.judge; NULL while no breakpoint has any. */
const struct target_judge *conditions_judge(const struct conditions *all);

#endif
