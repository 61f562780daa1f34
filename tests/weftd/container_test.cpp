// Row R7: IS_DOCKER.
#include "src/weftd/configuration.hpp"
#include "src/weftd/container.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace testing;

namespace {

struct recording_transport final : weft::transport
{
    void send(std::shared_ptr<weft::http_exchange> e) override { sent.push_back(e->request.url); }
    void cancel(std::shared_ptr<weft::http_exchange>) noexcept override { ++cancelled; }

    std::vector<std::string> sent;
    int                      cancelled = 0;
};

struct exchange final : weft::http_exchange
{
    void replied(weft::http_reply) noexcept override { }
    void failed(std::string) noexcept override { }
};

}  // namespace

TEST(Container, LocalhostIsTheMachineAround)
{
    auto const recorded = std::make_shared<recording_transport>();
    auto const transport = weftd::from_container(recorded);
    for (auto const* url : {"http://localhost:8081/in?gid=localhost", "https://127.0.0.1/x", "http://user@localhost",
                            "http://mylocalhost/127.0.0.1", "http://127.0.0.1.example/", "http://stock:80/localhost", "no address"})
    {
        auto e = std::make_shared<exchange>();
        e->request.url = url;
        transport->send(e);
    }
    EXPECT_THAT(recorded->sent, ElementsAre("http://host.docker.internal:8081/in?gid=localhost", "https://host.docker.internal/x",
                                            "http://user@host.docker.internal", "http://mylocalhost/127.0.0.1", "http://127.0.0.1.example/",
                                            "http://stock:80/localhost", "no address"));
    transport->cancel(std::make_shared<exchange>());
    EXPECT_EQ(recorded->cancelled, 1);
}

TEST(Container, IsToldByTheEnvironment)
{
    weftd::surroundings world;
    world.read = [](std::string const&) { return std::string(); };
    auto const store_with = [&](std::string const& is_docker) {
        world.environment = [&](std::string const& name) { return name == "IS_DOCKER" ? std::optional(is_docker) : std::nullopt; };
        auto const all = weftd::load("Store: {Driver: mysql, Host: localhost, User: dtm}", "conf.yml", world);
        EXPECT_EQ(all.values.in_container, !is_docker.empty());
        return weftd::store_url(all.values);
    };
    EXPECT_EQ(store_with(""), "mysql://dtm@localhost:3306/dtm");
    EXPECT_EQ(store_with("1"), "mysql://dtm@host.docker.internal:3306/dtm");
}
