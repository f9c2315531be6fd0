/* former.h - a store as the first version of the schema made it. */
#pragma once

/* A new file, of the owner of fixture_open(.., 1, ..), with a row in each table: out 3 "hi"
 * (out_seq 4), in 5 "yo" (in_seq 6), seen of node 13. */
void former_store(const char *db);
