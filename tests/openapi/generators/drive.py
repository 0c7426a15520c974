"""Registers an account, signs in and asks for the account, with the client that openapi-generator has made for Python."""

import os
import uuid

import import_all
import openapi_client
from openapi_client import AuthApi, LoginRequest, RegisterRequest

import_all.every_module_of("openapi_client")
configuration = openapi_client.Configuration(host=os.environ["COUNTERSIGN_URL"])
auth = AuthApi(openapi_client.ApiClient(configuration))
name, password = f"p{uuid.uuid4().hex[:10]}", "s3cur3pass"
registered = auth.register(RegisterRequest(username=name, password=password))
configuration.api_key["token"] = auth.login(LoginRequest(username=name, password=password)).token
me = auth.me()
assert me.account.id == registered.account.id and me.account.username_identity.username == name, me
