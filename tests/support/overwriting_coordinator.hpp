// A coordinator as dtm is on boltdb or Redis: whoever submits a workflow overwrites its row, with nothing but what was sent. Scripted, over real
// HTTP; it calls nobody back.
#pragma once

#include "tests/support/http_server.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <map>
#include <mutex>
#include <string>

class overwriting_coordinator
{
public:
    overwriting_coordinator();

    std::string address() const { return http_.url("/api/dtmsvr"); }

    // The row; empty if there is none.
    boost::json::object row(std::string const& gid) const;

private:
    using object = boost::json::object;

    http_server::answer prepare(object const& said);
    http_server::answer register_branch(object const& said);
    http_server::answer submit(object const& said);
    http_server::answer query(std::string const& target);
    http_server::answer all();

    mutable std::mutex                        mutex_;
    std::map<std::string, object>             rows_;
    std::map<std::string, boost::json::array> branches_;
    http_server                               http_;  // last: its thread uses the others
};
