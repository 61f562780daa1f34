// What the cases include, compiled once for all of them. Not in it: what a case refuses when it was included before.
#pragma once

#include <weft/sql.hpp>
#include <weft/transaction_manager.hpp>
#include <weft/weft.hpp>
#include <weft/workflow.hpp>
