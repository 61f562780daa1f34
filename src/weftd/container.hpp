// IS_DOCKER, as dtm has it: within a container, localhost is the container, and whoever says it means the machine around.
#pragma once

#include <weft/transport.hpp>

#include <memory>
#include <string>

namespace weftd {

// "host.docker.internal" for "localhost" and "127.0.0.1", else the same.
std::string host_from_container(std::string const& host);

// Sends every request to where its address leads from within a container.
std::shared_ptr<weft::transport> from_container(std::shared_ptr<weft::transport> through);

}  // namespace weftd
