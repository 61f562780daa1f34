/// \file
/// The names of weft's classes, for headers that only mention them.
#pragma once

namespace weft {
inline namespace v0 {

// Workflows
class context;
class engine;
class gid;
class host;
class named;
template <class Signature>
class handle;
template <class T>
class workflow;

// What operations are given, and what they say
struct branch;
class failure;
class operation_call;

// Stores, and what the engine is given
struct engine_options;
struct list_filter;
struct transaction;
class clock;
class counters;
class store;
class transport;

// Databases
class barrier;
class database;
class soci_connection;
class sql;
class xa_participant;

// Transactions as data
struct global_transaction;
class coordinator;
class remote_engine;
class server;
class transaction_manager;

}  // namespace v0
}  // namespace weft
