// What is bought. All services of the shop take it as the body of a request.
#pragma once

#include <boost/describe.hpp>

#include <cstdint>
#include <string>

struct purchase
{
    std::string  id;  // of the order
    std::string  user;
    std::string  article;
    std::int64_t quantity = 0;
    std::int64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(purchase, (), (id, user, article, quantity, cents))
