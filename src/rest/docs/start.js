// A file of its own, because the policy of the page allows no script in the page itself.
window.ui = SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  // The default asks a server of Swagger's whether the document is valid.
  validatorUrl: null,
});
