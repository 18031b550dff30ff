// What the app learns of its patient, shown as JSON.
async function learn() {
  const client = await FHIR.oauth2.ready();
  const patient = await client.patient.read();
  const user = await client.user.read();
  const found = await client.request(`Observation?patient=${client.patient.id}`);
  const other = await client.request("Patient/other").then(
    () => 200,
    (problem) => problem.status,
  );
  const before = client.state.tokenResponse.access_token;
  await client.refresh();
  const again = await client.patient.request("Observation");
  return {
    patient: patient.name[0].family,
    user: user.resourceType,
    observations: found.total,
    other,
    refreshed: client.state.tokenResponse.access_token !== before,
    again: again.total,
  };
}

learn().then(
  (found) => (document.getElementById("found").textContent = JSON.stringify(found)),
  (problem) => (document.getElementById("found").textContent = `failed: ${problem}`),
);
