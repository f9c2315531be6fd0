/* report.h - what a run of the simulator found, for people and for programs. */
#pragma once
#include <stdio.h>

#include "scenario.h"

/* rc: what scenario_run() returned. */
void report_text(FILE *f, const struct scenario_conf *c, const struct scenario_result *r, int rc);
void report_json(FILE *f, const struct scenario_conf *c, const struct scenario_result *r, int rc);
/* One line by run. */
void report_row_head(FILE *f);
void report_row(FILE *f, const struct scenario_conf *c, const struct scenario_result *r, int rc);
