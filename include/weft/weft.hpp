/// \file
/// The core of weft: workflows, the engine, stores in memory. `<weft/sql.hpp>` adds databases.
#pragma once

#include <weft/engine.hpp>
#include <weft/host.hpp>
#include <weft/store.hpp>
#include <weft/workflow.hpp>
